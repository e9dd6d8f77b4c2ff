"""The golden copies are those of the sources, and nothing is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipelines.images import Image, pin
from tests.manifests.__main__ import faults
from tests.manifests.render import GOLDEN, MANIFESTS, Object, by_name, overlays, render, renderer, sources_digest

REMEDY = "python -m tests.manifests.render"


def test_nothing_is_wrong_with_what_is_here(rendered: dict[str, list[Object]]) -> None:
    for overlay, objects in rendered.items():
        assert faults(overlay, objects) == []


def test_the_golden_copies_are_of_these_sources() -> None:
    for overlay in overlays():
        first = (GOLDEN / f"{overlay}.yaml").read_text().partition("\n")[0]
        assert first == f"# sources {sources_digest()}", REMEDY


@pytest.mark.skipif(renderer() is None, reason="needs kustomize or kubectl")
@pytest.mark.parametrize("overlay", overlays())
def test_an_overlay_renders_to_its_golden_copy(overlay: str, rendered: dict[str, list[Object]]) -> None:
    assert by_name(render(overlay)) == by_name(rendered[overlay]), REMEDY


def test_a_tag_of_digits_alone_is_a_text_once_it_is_pinned(tmp_path: Path) -> None:
    path = tmp_path / "kustomization.yaml"
    path.write_text((MANIFESTS / "images" / "kustomization.yaml").read_text())
    pin([Image("registry/rewatch-teacher:012345678901", "teacher", "teacher")], "registry", path)
    (teacher,) = [image for image in yaml.safe_load(path.read_text())["images"] if image["name"] == "rewatch/teacher"]
    assert teacher["newTag"] == "012345678901"


def test_no_overlay_fetches_anything() -> None:
    for path in MANIFESTS.rglob("kustomization.yaml"):
        if "kubeflow-pipelines" not in path.parts:
            assert "://" not in path.read_text(), path
