"""Makes `schemas/*.json`: the schemas of the kinds that our manifests use, strict and without their prose.

    pip download --no-deps kubernetes-validate==1.37.0 && unzip kubernetes_validate-*.whl -d build/kubernetes-validate
    python -m tests.manifests.bundle build/kubernetes-validate build/crds

The first folder holds Kubernetes' own schemas, made from its OpenAPI description; the second the CRDs of other
projects, as their releases ship them (`{group}_{plural}.yaml`). All are under the Apache License 2.0. `events.json` is
written by hand: the CRDs of Argo Events hold no schema, so it says what our three objects use of its Go types.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "schemas"
KUBERNETES = "v1.36.0-local-strict"
KINDS = {
    "v1": "ConfigMap Namespace PersistentVolumeClaim ResourceQuota Secret Service ServiceAccount LimitRange",
    "apps/v1": "Deployment StatefulSet",
    "batch/v1": "CronJob Job",
    "networking.k8s.io/v1": "NetworkPolicy",
    "policy/v1": "PodDisruptionBudget",
    "rbac.authorization.k8s.io/v1": "Role RoleBinding ClusterRole ClusterRoleBinding",
    "scheduling.k8s.io/v1": "PriorityClass",
    "admissionregistration.k8s.io/v1": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding "
    "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding",
}
PROSE = ("description", "x-kubernetes-validations", "default", "example", "externalDocs", "title", "$id", "$schema")


def bundle(kubernetes: Path, crds: Path) -> None:
    """Write both files."""
    source = kubernetes / "kubernetes_validate" / "kubernetes-json-schema" / KUBERNETES
    definitions = json.loads((source / "_definitions.json").read_text())["$defs"]
    schemas: dict[str, Any] = {}
    needed: dict[str, Any] = {}
    for version, kinds in KINDS.items():
        for kind in kinds.split():
            name = "-".join([kind.lower(), *(part.split(".")[0] for part in version.split("/"))])
            schemas[f"{version} {kind}"] = _bare(json.loads((source / f"{name}.json").read_text()))
            _collect(schemas[f"{version} {kind}"], definitions, needed)
    _write("kubernetes.json", {"source": f"Kubernetes {KUBERNETES[1:5]}", "definitions": needed, "kinds": schemas})
    others = {}
    for path in sorted(crds.glob("*.yaml")):
        spec = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            if version["served"] and not version.get("deprecated"):
                key = f"{spec['group']}/{version['name']} {spec['names']['kind']}"
                others[key] = _strict(_bare(version["schema"]["openAPIV3Schema"]), top=True)
    _write("others.json", {"source": "CRDs of the projects that own these groups", "kinds": others})


def _bare(schema: Any, named: bool = False) -> Any:
    """The schema without prose; `named`: the keys of this level are fields, not keywords."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _bare(value, named=not named and key == "properties")
        for key, value in schema.items()
        if named or key not in PROSE
    }


def _strict(schema: Any, top: bool = False) -> Any:
    """The schema with unknown fields refused, as the API server refuses them under strict field validation."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    for key in ("properties", "items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            nested = result[key]
            result[key] = {k: _strict(v) for k, v in nested.items()} if key == "properties" else _strict(nested)
    if result.get("x-kubernetes-int-or-string"):
        result.pop("anyOf", None)
        result["type"] = ["integer", "string"]
    if "properties" in result and not result.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    if top:
        result["properties"] = {**result.get("properties", {}), "metadata": {"type": "object"}}
        result["properties"].update(apiVersion={"type": "string"}, kind={"type": "string"})
    return result


def _collect(schema: Any, definitions: dict[str, Any], needed: dict[str, Any]) -> None:
    """Add every definition that a schema refers to, and turn references into ones within the bundle."""
    if isinstance(schema, list):
        for item in schema:
            _collect(item, definitions, needed)
    elif isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            name = reference.rpartition("/")[2]
            schema["$ref"] = f"#/definitions/{name}"
            if name not in needed:
                needed[name] = _bare(definitions[name])
                _collect(needed[name], definitions, needed)
        for value in schema.values():
            _collect(value, definitions, needed)


def _write(name: str, content: dict[str, Any]) -> None:
    """One line per kind or definition, so that a new version shows as what changed."""
    lines = ['{"source": ' + json.dumps(content["source"]) + ', "licence": "Apache-2.0"']
    for group in ("definitions", "kinds"):
        if group in content:
            entries = [
                f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}"
                for key, value in sorted(content[group].items())
            ]
            lines.append(f', "{group}": {{\n' + ",\n".join(entries) + "\n}")
    (FOLDER / name).write_text("".join(lines) + "}\n")


if __name__ == "__main__":
    bundle(Path(sys.argv[1]), Path(sys.argv[2]))
    for path in sorted(FOLDER.glob("*.json")):
        print(path.name, path.stat().st_size, "bytes")
