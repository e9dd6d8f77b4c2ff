"""The locks under images/: plain pins, and agreeing where one environment has to fit another."""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[1] / "images"
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9._+!]+)")


def pins(name: str) -> list[tuple[str, str]]:
    """(name, version) of each line that is no comment, the name as package indices write it."""
    lines = [line for line in (IMAGES / name).read_text().splitlines() if not line.startswith("#")]
    matches = [PIN.fullmatch(line) for line in lines]
    assert all(matches), f"{name}: {[line for line, match in zip(lines, matches, strict=True) if not match]}"
    return [(re.sub(r"[-_.]+", "-", match[1]).lower(), match[2]) for match in matches if match]


@pytest.mark.parametrize("name", sorted(path.name for path in IMAGES.glob("*.lock")))
def test_a_lock_names_every_package_once_and_nothing_but_its_version(name: str) -> None:
    names = [package for package, _ in pins(name)]
    assert len(names) == len(set(names)) > 0


def test_serving_is_one_version_with_and_without_docker() -> None:
    version = dict(pins("serving.lock"))["vllm"]
    assert f"FROM vllm/vllm-openai:v{version}\n" in (IMAGES / "serving.Dockerfile").read_text()


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_student_is_scored_by_what_trained_it(package: str) -> None:
    assert dict(pins("lmms-eval.lock"))[package] == dict(pins("rewatch.lock"))[package]


def test_torch_comes_first_so_that_no_other_package_chooses_its_build() -> None:
    assert pins("rewatch.lock")[0][0] == "torch"


@pytest.mark.parametrize("tool", ["pytest", "pytest-asyncio", "hypothesis", "ruff", "mypy", "moto"])
def test_the_tools_of_development_are_pinned(tool: str) -> None:
    assert tool in dict(pins("rewatch.lock"))


def test_the_laptop_needs_no_package_that_is_for_cuda_alone() -> None:
    assert not [package for package, _ in pins("rewatch.lock") if re.match(r"nvidia|cuda|triton|torchvision", package)]


@pytest.mark.parametrize("package", ["components", "pipelines"])
def test_nothing_else_that_is_installed_has_a_package_of_our_names(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"rewatch"}
