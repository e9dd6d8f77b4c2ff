"""Render and check every overlay: `python -m tests.manifests`, which is `make manifests`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

from tests.manifests import network, policy, references, strictness
from tests.manifests.render import MANIFESTS, Object, overlays, parse, render

CHECKS = {
    "schemas": strictness.faults,
    "references": references.faults,
    "network": network.faults,
    "policy": policy.faults,
    "place": policy.runs_stay_in_their_namespace,
}


def checks_of(overlay: str) -> dict[str, Callable[[list[Object]], Iterator[str]]]:
    """The checks of an overlay, by name."""
    return dict(CHECKS) if overlay == "dev" else {**CHECKS, "development": policy.development_only}


def faults(overlay: str, objects: list[Object]) -> list[str]:
    """What is wrong with the objects of an overlay."""
    return [f"{name}: {fault}" for name, check in checks_of(overlay).items() for fault in check(objects)]


def main() -> int:
    """Print what was checked, and every fault; the exit code is 1 if there was one."""
    broken = 0
    for overlay in overlays():
        started = time.perf_counter()
        try:
            objects = parse(render(MANIFESTS / "overlays" / overlay))
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 2
        found = faults(overlay, objects)
        for fault in found:
            print(f"  {overlay}: {fault}")
        broken += len(found)
        seconds = time.perf_counter() - started
        counts = f"{len(objects)} objects, {len(checks_of(overlay))} checks, {len(found)} faults"
        print(f"overlays/{overlay}: {counts}, {seconds:.1f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
