"""Refuses compiled pipelines that KFP would run wrongly, silently for the most part.

Each rule reads the IR and yields one sentence per fault. The numbers are those of the strict-xfail tests in
`tests/pipelines/test_kfp_bugs.py`, which pin the behaviour each rule guards against: when KFP is fixed, the test
says so and its rule can go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.errors import InputError
from pipelines.ir.limits import EXIT_STRATEGY, beyond_mlflow, too_large, too_many_nodes

UNRESOLVED_LOCALLY = ("{{$.pipeline_job_create_time_utc}}", "{{$.pipeline_job_schedule_time_utc}}")
SECRET_NAME = re.compile(r"(?i)(api_?key|secret|token|password)$")

Ir = dict[str, Any]


class LintError(InputError):
    """The compiled pipeline has a shape that KFP runs wrongly."""


@dataclass(frozen=True)
class Compiled:
    """A compiled pipeline: its IR and the Kubernetes settings that travel in the second YAML document."""

    ir: Ir
    platform: Ir
    size: int

    @classmethod
    def read(cls, path: Path) -> Compiled:
        """Parse the one or two YAML documents of `path`."""
        import yaml

        text = path.read_text()
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        documents = list(yaml.load_all(text, Loader=loader))
        return cls(documents[0], documents[1] if len(documents) > 1 else {}, len(text.encode()))

    def dags(self) -> Iterator[tuple[str, Ir]]:
        """Every DAG by the name of its component; the outermost is `root`."""
        yield "root", self.ir["root"]
        for name, component in self.ir.get("components", {}).items():
            if "dag" in component:
                yield name, component

    def tasks(self) -> Iterator[tuple[str, str, Ir, Ir]]:
        """(component of the DAG, task name, task, its component) for every task of every DAG."""
        for dag_name, component in self.dags():
            for name, task in component["dag"]["tasks"].items():
                yield dag_name, name, task, self.ir["components"][task["componentRef"]["name"]]

    def executors(self) -> Iterator[tuple[str, Ir]]:
        """(executor label, container) for every executor that is a container."""
        for label, executor in self.ir.get("deploymentSpec", {}).get("executors", {}).items():
            if "container" in executor:
                yield label, executor["container"]


Rule = Callable[[Compiled], Iterator[str]]


def check(path: Path) -> None:
    """Refuse the compiled pipeline at `path` if any rule finds a fault.

    Raises:
        LintError: names every fault found.
    """
    found = faults(Compiled.read(path))
    if found:
        raise LintError(
            f"The compiled pipeline {path.name} would run wrongly: {' '.join(found)}",
            "Change the DAG; pipelines/ir/lint.py says why each shape is refused.",
        )


def faults(pipeline: Compiled) -> list[str]:
    """Every fault, one sentence each; empty for a sound pipeline."""
    return [fault for rule in RULES for fault in rule(pipeline)]


def loop_takes_outer_parameter(pipeline: Compiled) -> Iterator[str]:
    """1: inside a loop, a parameter from another task's output is replaced by the loop item."""
    for _, name, task, _ in pipeline.tasks():
        items = task.get("parameterIterator", {}).get("items", {}).get("inputParameter")
        if "parameterIterator" not in task and "artifactIterator" not in task:
            continue
        for key, source in task.get("inputs", {}).get("parameters", {}).items():
            if "taskOutputParameter" in source and key != items:
                producer = source["taskOutputParameter"]["producerTask"]
                yield f"[1] The loop {name} takes a parameter from the task {producer}: it would become the loop item."


def nested_loops(pipeline: Compiled) -> Iterator[str]:
    """2: the item of an outer loop is replaced by that of the inner one."""
    for _, name, task, component in pipeline.tasks():
        if _is_loop(task) and _holds_loop(pipeline, component):
            yield f"[2] The loop {name} holds another loop: its item would be replaced by the inner one's."


def loop_over_named_output(pipeline: Compiled) -> Iterator[str]:
    """3: a loop over a named output fails at run time; only a single `-> List[str]` works."""
    for _, name, task, _ in pipeline.tasks():
        items = task.get("parameterIterator", {}).get("items", {}).get("inputParameter", "")
        source = task.get("inputs", {}).get("parameters", {}).get(items, {}).get("taskOutputParameter")
        if source and source["outputParameterKey"] != "Output":
            yield f"[3] The loop {name} runs over the named output {source['outputParameterKey']!r}, not `Output`."


def one_of_artifacts(pipeline: Compiled) -> Iterator[str]:
    """6: choosing between artifacts raises out of the run, so that the exit task does not run."""
    for name, component in pipeline.dags():
        for key, output in component["dag"].get("outputs", {}).get("artifacts", {}).items():
            if len(output.get("artifactSelectors", [])) > 1:
                yield f"[6] {name} chooses between artifacts for {key}: KFP raises and skips the exit task."


def condition_on_text(pipeline: Compiled) -> Iterator[str]:
    """7: a condition on a string that happens to hold a quote is false, with only a warning."""
    for _, name, task, component in pipeline.tasks():
        condition = task.get("triggerPolicy", {}).get("condition", "")
        inputs = component.get("inputDefinitions", {}).get("parameters", {})
        for key in re.findall(r"inputs\.parameter_values\['([^']+)'\]", condition):
            if inputs.get(key, {}).get("parameterType") == "STRING":
                yield f"[7] The condition of {name} compares text ({key}): branch on a bool that a task returns."


def cached_exit_task(pipeline: Compiled) -> Iterator[str]:
    """20: a cached exit task says nothing the second time."""
    for _, name, task, _ in pipeline.tasks():
        if task.get("triggerPolicy", {}).get("strategy") == EXIT_STRATEGY and _is_cached(task):
            yield f"[20] The exit task {name} is cached: set_caching_options(False)."


def uncached_artifact(pipeline: Compiled) -> Iterator[str]:
    """Section 1.8: an artifact of an uncached task has a new URI in every run, so all that follows reruns."""
    for dag, name, task, component in pipeline.tasks():
        if _is_cached(task) or "executorLabel" not in component:
            continue
        for key in component.get("outputDefinitions", {}).get("artifacts", {}):
            if _is_consumed(pipeline, dag, name):
                yield f"[1.8] The uncached task {name} hands on the artifact {key}: everything after it would rerun."


def installs_packages(pipeline: Compiled) -> Iterator[str]:
    """23: a task that runs pip changes the environment it runs in, and fails without a network."""
    for label, container in pipeline.executors():
        if any("pip install" in part for part in [*container.get("command", []), *container.get("args", [])]):
            yield f"[23] {label} runs pip install: use install_kfp_package=False and no packages_to_install."


def unpinned_image(pipeline: Compiled) -> Iterator[str]:
    """The image string is the cache key: a tag that moves gives stale results."""
    for label, container in pipeline.executors():
        image = container.get("image", "")
        tag = image.rsplit("/", 1)[-1].partition(":")[2]
        if tag in ("", "latest"):
            yield f"[tag] {label} runs in {image!r}, which is not pinned by a tag."


def not_lightweight(pipeline: Compiled) -> Iterator[str]:
    """15: the SubprocessRunner refuses anything but lightweight Python components."""
    for label, container in pipeline.executors():
        if not any("kfp.dsl.executor_main" in part for part in container.get("command", [])):
            yield f"[15] {label} is no lightweight Python component: it cannot run on a laptop."


def unresolved_placeholder(pipeline: Compiled) -> Iterator[str]:
    """13: some placeholders raise an IndexError outside a cluster; pass times as parameters."""
    text = str(pipeline.ir)
    for placeholder in UNRESOLVED_LOCALLY:
        if placeholder in text:
            yield f"[13] The pipeline uses {placeholder}, which kfp.local cannot resolve."


def literal_secret(pipeline: Compiled) -> Iterator[str]:
    """A secret in the IR is readable by everyone who can see the pipeline."""
    for label, container in pipeline.executors():
        for variable in container.get("env", []):
            if SECRET_NAME.search(variable["name"]) and variable.get("value"):
                yield f"[secret] {label} sets {variable['name']} to a literal: take it from a Secret."


def unguarded_accelerator(pipeline: Compiled) -> Iterator[str]:
    """A task on accelerators needs a toleration for their nodes, a timeout and a retry, or it hangs and wastes them."""
    settings = pipeline.platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {})
    for _, name, task, component in pipeline.tasks():
        label = component.get("executorLabel", "")
        container = dict(pipeline.executors()).get(label, {})
        if not container.get("resources", {}).get("accelerator"):
            continue
        own = settings.get("executors", {}).get(label, {})
        lacks = [key for key in ("tolerations", "activeDeadlineSeconds") if key not in own]
        lacks += [] if "retryPolicy" in task else ["retryPolicy"]
        if lacks:
            yield f"[gpu] {name} asks for accelerators without {', '.join(lacks)}."


RULES: tuple[Rule, ...] = (
    loop_takes_outer_parameter,
    nested_loops,
    loop_over_named_output,
    one_of_artifacts,
    condition_on_text,
    cached_exit_task,
    uncached_artifact,
    installs_packages,
    unpinned_image,
    not_lightweight,
    unresolved_placeholder,
    literal_secret,
    unguarded_accelerator,
    too_large,
    too_many_nodes,
    beyond_mlflow,
)


def _is_loop(task: Ir) -> bool:
    return "parameterIterator" in task or "artifactIterator" in task


def _is_cached(task: Ir) -> bool:
    return bool(task.get("cachingOptions", {}).get("enableCache"))


def _holds_loop(pipeline: Compiled, component: Ir) -> bool:
    for task in component.get("dag", {}).get("tasks", {}).values():
        if _is_loop(task) or _holds_loop(pipeline, pipeline.ir["components"][task["componentRef"]["name"]]):
            return True
    return False


def _is_consumed(pipeline: Compiled, dag: str, producer: str) -> bool:
    """Whether a task of the same DAG, or the DAG itself as its output, takes an artifact of `producer`."""
    component = dict(pipeline.dags())[dag]["dag"]
    for task in component["tasks"].values():
        for source in task.get("inputs", {}).get("artifacts", {}).values():
            if source.get("taskOutputArtifact", {}).get("producerTask") == producer:
                return True
    selectors = [
        selector
        for output in component.get("outputs", {}).get("artifacts", {}).values()
        for selector in output.get("artifactSelectors", [])
    ]
    return any(selector["producerSubtask"] == producer for selector in selectors)
