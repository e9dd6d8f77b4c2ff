"""Every overlay as it is."""

from __future__ import annotations

import pytest

from tests.manifests.render import Object, golden, overlays


@pytest.fixture(scope="session")
def rendered() -> dict[str, list[Object]]:
    return {name: golden(name) for name in overlays()}
