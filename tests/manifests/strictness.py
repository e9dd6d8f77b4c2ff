"""Every object is of a known kind and holds only fields that its schema knows (`kubectl apply --validate=strict`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.manifests.objects import of_kind, title
from tests.manifests.render import Object

SCHEMAS = Path(__file__).parent / "schemas"


@cache
def _validators() -> dict[str, Any]:
    from jsonschema import Draft202012Validator

    found = {}
    for path in sorted(SCHEMAS.glob("*.json")):
        bundle = json.loads(path.read_text())
        for kind, schema in bundle["kinds"].items():
            found[kind] = Draft202012Validator({**schema, "definitions": bundle.get("definitions", {})})
    return found


def faults(objects: list[Object]) -> Iterator[str]:
    """What the schemas refuse, and names used twice."""
    seen: set[str] = set()
    for item in [*objects, *_started(objects)]:
        if (name := title(item)) in seen:
            yield f"{name}: there are two of them"
        seen.add(name)
        kind = f"{item.get('apiVersion')} {item.get('kind')}"
        validator = _validators().get(kind)
        if validator is None:
            yield f"{name}: no schema for {kind!r}; add it in tests/manifests/bundle.py"
            continue
        for error in validator.iter_errors(item):
            yield f"{name}: {'.'.join(map(str, error.absolute_path)) or 'object'}: {error.message[:300]}"


def _started(objects: list[Object]) -> Iterator[Object]:
    """What Sensors would make."""
    for sensor in of_kind(objects, "Sensor"):
        for trigger in sensor["spec"]["triggers"]:
            yield trigger["template"]["k8s"]["source"]["resource"]
