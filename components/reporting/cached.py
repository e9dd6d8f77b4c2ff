"""On a cluster: the records of tasks that KFP took from its cache, which ran in no pod and so could write none.

A final artifact that another run made was cached, and so was what it was made from. That run's own records say which
task made it, how many rows it has and from what, back to the corpus. (Elsewhere the launcher reads it off KFP's log,
pipelines/launch/local/observer.py, and writes the same.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from components.core.data.datasets import part_of
from components.core.engine.record import TASKS, RunRecord
from components.core.errors import InputError
from components.reporting.ancestry import Artifact

KEPT = ("shard", "rows", "digest", "metrics", "inputs", "output")
"""What still holds of a task that did not run again; it took no time and made no calls."""


def note_cached(run: RunRecord, artifacts: Iterable[Artifact]) -> int:
    """Write a record, its status `cached`, for each task whose output this run took from others; returns how many.

    Args:
        run: of this run.
        artifacts: all that its final artifacts rest on, ancestors first.

    Raises:
        InputError: the run's record cannot be read or written.
    """
    own = run.tasks()
    names, known = ({str(record.get(key)) for record in own} for key in ("name", "output"))
    others: dict[str, dict[str, dict[str, Any]]] = {}
    waiting: list[tuple[str, str, Mapping[str, Any]]] = [
        (str(it.path), it.manifest.run_id, _of_manifest(it)) for it in artifacts
    ]
    noted = 0
    while waiting:  # nearest to the end first: what lies before it may hold an older model under the same name
        output, maker, told = waiting.pop()
        if output in known or not maker:
            continue
        known.add(output)
        if maker not in others:
            others[maker] = _finished(f"{run.root.rpartition('/')[0]}/{maker}")
        told = others[maker].get(output) or told
        if not told or told["name"] in names:
            continue
        names.add(told["name"])
        record = {"name": told["name"], "status": "cached", "made_by": told.get("made_by") or maker}
        record |= {key: told[key] for key in KEPT if key in told}
        run.write_object(f"{TASKS}/{told['name']}.json", record)
        noted += 1
        for given in (told.get("inputs") or {}).values():
            waiting[:0] = [(path, maker, {}) for path in ([given] if isinstance(given, str) else given)]
    return noted


def _finished(root: str) -> dict[str, dict[str, Any]]:
    """The records of a run's finished tasks by what they wrote; none where the run is gone."""
    try:
        records = RunRecord(root).tasks()
    except InputError:
        return {}
    return {str(it.get("output")): it for it in records if it.get("status") in ("succeeded", "cached")}


def _of_manifest(artifact: Artifact) -> Mapping[str, Any]:
    """What an artifact tells by itself, where the record of the run that made it is gone."""
    told = artifact.manifest
    name = f"{told.task}-{part_of(told.shard)}" if told.shard else told.task
    return {"name": name, "shard": told.shard, "rows": told.rows, "output": str(artifact.path)} if name else {}
