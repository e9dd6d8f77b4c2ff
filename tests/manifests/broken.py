"""What the tests of the checks share: one object of an overlay, damaged, and what must then be said."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.manifests.__main__ import checks_of
from tests.manifests.objects import title
from tests.manifests.render import Object


class Broken(NamedTuple):
    """A broken copy of an overlay."""

    overlay: str
    name: str
    """Kind, namespace and name of the object."""
    damage: Callable[[Any], Any]
    said: str
    """Part of what the check must say of it."""

    @property
    def where(self) -> str:
        """For the test's name."""
        return f"{self.overlay}-{self.name.replace('/', '.').replace(' ', '-')}-{self.said}"

    def faults(self, check: str, rendered: dict[str, list[Object]]) -> str:
        """What the check says, a line each."""
        objects = copy.deepcopy(rendered[self.overlay])
        self.damage(next(item for item in objects if title(item) == self.name))
        return "\n".join(checks_of(self.overlay)[check](objects))


def pod(item: Object) -> Any:
    """The pod of a workload."""
    return item["spec"]["template"]["spec"]


def container(item: Object) -> Any:
    """Its first container."""
    return pod(item)["containers"][0]
