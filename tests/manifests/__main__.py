"""Render and check every overlay: `python -m tests.manifests`, which is `make manifests`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import cache

from pipelines.profile import load_profile
from tests.manifests import agreement, network, policy, references, strictness
from tests.manifests.objects import pods
from tests.manifests.render import Object, overlays, render_with_tags

CHECKS = {
    "schemas": strictness.faults,
    "references": references.faults,
    "network": network.faults,
    "policy": policy.faults,
    "place": policy.runs_stay_in_their_namespace,
}


_profile = cache(load_profile)


def checks_of(overlay: str) -> dict[str, Callable[[list[Object]], Iterator[str]]]:
    """The checks of an overlay, by name."""
    profile = agreement.PROFILES.get(overlay, "cluster")
    checks = {**CHECKS, "profile": lambda objects: agreement.faults(objects, _profile(profile))}
    return checks if overlay == "dev" else {**checks, "development": policy.development_only}


def faults(overlay: str, objects: list[Object]) -> list[str]:
    """What is wrong with the objects of an overlay."""
    return [f"{name}: {fault}" for name, check in checks_of(overlay).items() for fault in check(objects)]


def main() -> int:
    """Print what was checked, and every fault; the exit code is 1 if there was one."""
    broken, unbuilt, built = 0, False, agreement.built_images()
    for overlay in overlays():
        started = time.perf_counter()
        try:
            objects = render_with_tags(overlay)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 2
        found = [*faults(overlay, objects), *agreement.image_faults(objects, built)]
        for fault in found:
            print(f"  {overlay}: {fault}")
        broken += len(found)
        seconds = time.perf_counter() - started
        counts = f"{len(objects)} objects, {len(checks_of(overlay)) + 1} checks, {len(found)} faults"
        print(f"{overlay}: {counts}, {seconds:.1f} s")
        images = [container["image"] for pod in pods(objects) for _, container in pod.containers()]
        unbuilt |= any(image.endswith(f":{agreement.UNBUILT}") for image in images)
    if unbuilt:
        print(
            "images are not pinned yet: `make images`, then `make push REGISTRY=…` (or python -m pipelines.images pin)"
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
