"""The linter refuses each unsafe shape, compiled from a pipeline that has it or edited into a sound one."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kfp import compiler, dsl

from pipelines.ir.lint import Compiled, LintError, check, faults
from pipelines.ir.prune import keep_until, task_names
from pipelines.platform import Platform
from tests.pipelines import fake_pipeline, nested_loops

component = dsl.component(base_image="example.org/python:1", install_kfp_package=False)


@component
def items() -> list[str]:
    return ["a"]


@component
def word() -> str:
    return "w"


@component
def use(first: str, second: str) -> None:
    print(first, second)


@component
def named() -> NamedTuple("Named", [("items", list[str])]):
    return (["a"],)


def compiled(pipeline: Any, tmp_path: Path) -> Compiled:
    path = tmp_path / "pipeline.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return Compiled.read(path)


@pytest.fixture
def sound(tmp_path: Path) -> Compiled:
    return compiled(fake_pipeline.build(Platform()), tmp_path)


def test_a_sound_pipeline_has_no_faults(sound: Compiled) -> None:
    assert faults(sound) == []


def test_an_outer_parameter_in_a_loop_is_refused(tmp_path: Path) -> None:
    @dsl.pipeline(name="p")
    def outer_parameter() -> None:
        outer = word()
        with dsl.ParallelFor(items().output) as item:
            use(first=item, second=outer.output)

    found = faults(compiled(outer_parameter, tmp_path))
    assert len(found) == 1 and found[0].startswith("[1]") and "word" in found[0]


def test_nested_loops_are_refused(tmp_path: Path) -> None:
    found = faults(compiled(nested_loops.build(Platform()), tmp_path))
    assert any(fault.startswith("[2]") for fault in found)


def test_a_loop_over_a_named_output_is_refused(tmp_path: Path) -> None:
    @dsl.pipeline(name="p")
    def over_named() -> None:
        with dsl.ParallelFor(named().outputs["items"]) as item:
            use(first=item, second="")

    assert [fault[:3] for fault in faults(compiled(over_named, tmp_path))] == ["[3]"]


def test_a_condition_on_text_is_refused(tmp_path: Path) -> None:
    @dsl.pipeline(name="p")
    def branching() -> None:
        with dsl.If(word().output == "it's"):
            use(first="a", second="b")

    assert [fault[:3] for fault in faults(compiled(branching, tmp_path))] == ["[7]"]


def test_an_uncached_task_that_hands_on_an_artifact_is_refused(tmp_path: Path) -> None:
    @dsl.pipeline(name="p")
    def uncached() -> None:
        made = fake_pipeline.work(shard="s").set_caching_options(False)
        fake_pipeline.report(captions=made.output)

    assert [fault[:5] for fault in faults(compiled(uncached, tmp_path))] == ["[1.8]"]


def _first_container(ir: dict[str, Any]) -> dict[str, Any]:
    return next(iter(ir["deploymentSpec"]["executors"].values()))["container"]


def _cache_the_exit_task(ir: dict[str, Any]) -> None:
    ir["root"]["dag"]["tasks"]["finish"]["cachingOptions"] = {"enableCache": True}


def _install(ir: dict[str, Any]) -> None:
    _first_container(ir)["command"].append("python -m pip install numpy")


def _untag(ir: dict[str, Any]) -> None:
    _first_container(ir)["image"] = "registry:5000/python"


def _tag_latest(ir: dict[str, Any]) -> None:
    _first_container(ir)["image"] = "example.org/python:latest"


def _make_container_component(ir: dict[str, Any]) -> None:
    _first_container(ir)["command"] = ["echo"]


def _use_a_placeholder(ir: dict[str, Any]) -> None:
    _first_container(ir)["args"].append("{{$.pipeline_job_create_time_utc}}")


def _write_a_secret(ir: dict[str, Any]) -> None:
    _first_container(ir)["env"] = [{"name": "TEACHER_API_KEY", "value": "sk-1"}]


def _ask_for_an_accelerator(ir: dict[str, Any]) -> None:
    _first_container(ir)["resources"] = {"accelerator": {"type": "nvidia.com/gpu", "count": "1"}}


def _choose_between_artifacts(ir: dict[str, Any]) -> None:
    outputs = ir["components"]["comp-for-loop-1"]["dag"]["outputs"]["artifacts"]
    selectors = next(iter(outputs.values()))["artifactSelectors"]
    selectors.append(dict(selectors[0]))


@pytest.mark.parametrize(
    ("edit", "mark"),
    [
        (_cache_the_exit_task, "[20]"),
        (_install, "[23]"),
        (_untag, "[tag]"),
        (_tag_latest, "[tag]"),
        (_make_container_component, "[15]"),
        (_use_a_placeholder, "[13]"),
        (_write_a_secret, "[secret]"),
        (_ask_for_an_accelerator, "[gpu]"),
        (_choose_between_artifacts, "[6]"),
    ],
)
def test_an_edited_pipeline_is_refused(sound: Compiled, edit: Callable[[dict[str, Any]], None], mark: str) -> None:
    ir = copy.deepcopy(sound.ir)
    edit(ir)
    found = faults(Compiled(ir, sound.platform, sound.size))
    assert [fault.split()[0] for fault in found] == [mark]


def test_a_pipeline_too_large_for_kubernetes_is_refused(sound: Compiled) -> None:
    assert faults(Compiled(sound.ir, {}, 1_000_000))[0].startswith("[size]")


def test_check_names_every_fault(tmp_path: Path) -> None:
    compiled(nested_loops.build(Platform()), tmp_path)
    with pytest.raises(LintError, match="holds another loop") as refused:
        check(tmp_path / "pipeline.yaml")
    assert refused.value.exit_code == 2


def test_cutting_a_pipeline_short_keeps_the_exit_task_and_nothing_later(sound: Compiled, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    keep_until(path, "work")
    assert task_names(path) == ["discover", "work", "finish"]
    kept = Compiled.read(path)
    assert faults(kept) == []
    assert set(kept.ir["deploymentSpec"]["executors"]) == {"exec-discover", "exec-work", "exec-finish"}
