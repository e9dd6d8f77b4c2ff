"""Reads the order of tasks from a compiled pipeline, and cuts a pipeline short: `rewatch run --until gate-questions`.

Pruning works on the IR rather than in the DAG file, so that the DAG stays one story and the tasks that are kept are
byte for byte those of the whole pipeline: their cache entries serve both.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from components.core.errors import InputError
from pipelines.ir.lint import EXIT_STRATEGY, Compiled

Ir = dict[str, Any]


def task_names(path: Path) -> list[str]:
    """Names of the tasks that run a component, in an order in which they can run."""
    return tasks_in(Compiled.read(path).ir)


def tasks_in(ir: Ir) -> list[str]:
    """As `task_names`, of a pipeline that was read already."""
    return [task.name for task in plan_of(ir)]


class Planned(NamedTuple):
    """A task that runs a component."""

    name: str
    after: frozenset[str] = frozenset()
    """Tasks that ended well before it begins; of those in its own loop the same shard's."""
    loop: str = ""
    """The loop it runs in, if it does."""
    planner: str = ""
    """Task whose output names the shards of that loop."""
    is_cacheable: bool = True
    is_exit: bool = False
    """Whether it runs at the end, whatever happened."""


def plan_of(ir: Ir) -> list[Planned]:
    """The tasks of a pipeline, in an order in which they can run."""
    return list(_plan(ir, ir["root"], Planned("")))


def planners(path: Path) -> dict[str, str]:
    """The tasks that run once per shard, each with the task whose output names its shards; "" where no task does."""
    return {task.name: task.planner for task in plan_of(Compiled.read(path).ir) if task.loop}


def keep_until(path: Path, last: str) -> None:
    """Rewrite the compiled pipeline so that it holds `last`, what it needs, and the exit task.

    Raises:
        InputError: no task is called `last`.
    """
    import yaml

    names = task_names(path)
    if last not in names:
        near = get_close_matches(last, names, n=3, cutoff=0.3)
        raise InputError(f"No task is called {last!r}.", f"Did you mean {' or '.join(near or names)}?")
    pipeline = Compiled.read(path)
    _prune(pipeline.ir, pipeline.ir["root"], last)
    _drop_unused(pipeline.ir)
    documents = [pipeline.ir, *([pipeline.platform] if pipeline.platform else [])]
    path.write_text(yaml.safe_dump_all(documents, sort_keys=True))


def _plan(ir: Ir, component: Ir, outer: Planned) -> Iterator[Planned]:
    """The tasks of a DAG, which `outer` stands for in the DAG above it."""
    tasks = component["dag"]["tasks"]
    inside: dict[str, list[Planned]] = {}
    for name in _sorted(tasks):
        task, inner = tasks[name], ir["components"][tasks[name]["componentRef"]["name"]]
        is_exit = task.get("triggerPolicy", {}).get("strategy") == EXIT_STRATEGY
        before = {it.name for need in _ancestors(tasks, name) - {name} for it in inside[need]}
        place = outer._replace(after=frozenset() if is_exit else outer.after | before, is_exit=is_exit)
        if "parameterIterator" in task:
            place = place._replace(loop=name, planner=_planner(task))
        if "dag" in inner:
            inside[name] = list(_plan(ir, inner, place))
        else:
            caching = bool(task.get("cachingOptions", {}).get("enableCache"))
            inside[name] = [place._replace(name=name, is_cacheable=caching)]
        yield from inside[name]


def _planner(loop: Ir) -> str:
    """The task that names the items of a loop; "" where no task does."""
    items = loop["parameterIterator"]["items"].get("inputParameter", "")
    source = loop.get("inputs", {}).get("parameters", {}).get(items, {}).get("taskOutputParameter", {})
    return str(source.get("producerTask", ""))


def _sorted(tasks: Ir) -> list[str]:
    """Topological order; ties keep the order of names."""
    done: list[str] = []
    while len(done) < len(tasks):
        ready = [name for name in tasks if name not in done and set(_needs(tasks[name])) <= set(done)]
        done.extend(ready)
    return done


def _needs(task: Ir) -> list[str]:
    return list(task.get("dependentTasks", []))


def _prune(ir: Ir, component: Ir, last: str) -> bool:
    """Keep in this DAG only what leads to `last`; True if `last` lies in it."""
    tasks = component["dag"]["tasks"]
    for name, task in tasks.items():
        inner = ir["components"][task["componentRef"]["name"]]
        if name != last and not ("dag" in inner and _prune(ir, inner, last)):
            continue
        kept = _ancestors(tasks, name)
        exits = {other for other, it in tasks.items() if it.get("triggerPolicy", {}).get("strategy") == EXIT_STRATEGY}
        for other in [other for other in tasks if other not in kept | exits]:
            del tasks[other]
        _drop_dangling_outputs(component)
        return True
    return False


def _ancestors(tasks: Ir, name: str) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(_needs(tasks[current]))
    return found


def _drop_dangling_outputs(component: Ir) -> None:
    """Remove outputs of a DAG whose producer was cut away."""
    outputs = component["dag"].get("outputs", {}).get("artifacts", {})
    for key in list(outputs):
        if any(it["producerSubtask"] not in component["dag"]["tasks"] for it in outputs[key]["artifactSelectors"]):
            del outputs[key]
            component["outputDefinitions"]["artifacts"].pop(key)


def _drop_unused(ir: Ir) -> None:
    """Remove components and executors that no task refers to any more; KFP refuses nothing else."""
    used: set[str] = set()
    waiting = [ir["root"]]
    while waiting:
        for task in waiting.pop().get("dag", {}).get("tasks", {}).values():
            name = task["componentRef"]["name"]
            if name not in used:
                used.add(name)
                waiting.append(ir["components"][name])
    ir["components"] = {name: component for name, component in ir["components"].items() if name in used}
    labels = {component.get("executorLabel") for component in ir["components"].values()}
    executors = ir["deploymentSpec"]["executors"]
    ir["deploymentSpec"]["executors"] = {label: it for label, it in executors.items() if label in labels}
