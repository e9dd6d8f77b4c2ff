"""How a run ended, told as a person would tell it: the cause, what to do about it, and how to go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

from components.core.engine.record import HEADER, LOGS
from components.core.engine.run_summary import DIED, cause_in, nothing_to_do_in
from components.core.errors import DiskFull
from pipelines.launch.local.folders import RESERVE_BYTES, RunFolder
from pipelines.launch.local.observer import COLOURS
from pipelines.launch.local.progress import Record, RunWatcher

TAIL_LINES = 8


def cause_of(folder: RunFolder, watcher: RunWatcher) -> Record:
    """Why a run failed: the linter's refusal, the first failed task's error, a full disk, or KFP itself."""
    if refused := folder.record.object(folder.refusal.name):
        return {**refused, "exit_code": 2}
    error = cause_in(watcher.failed)
    if error.get("type", DIED) != DIED:
        return error
    if shutil.disk_usage(folder.path).free < RESERVE_BYTES:  # which leaves tasks, and KFP, without a word
        full = DiskFull.of(folder.path)
        return {**error, "what": full.what, "remedy": full.remedy, "exit_code": full.exit_code}
    return error or {"what": "KFP itself failed before any task did.", "remedy": f"Its log is {folder.kfp_log}."}


def tell_failure(folder: RunFolder, error: Record, say: Callable[[str], None], resume_command: str) -> None:
    """Task and shard, cause, remedy, the last lines of its log, and the command that goes on."""
    where = f"{error['task']} {error.get('shard') or ''}".strip() if "task" in error else "the pipeline"
    say(f"\n{where} failed: {error.get('what', '')}")
    if error.get("remedy"):
        say(f"  what to do: {error['remedy']}")
    for line in last_lines(folder, error):
        say(f"  | {line}")
    say(f"  go on with: {resume_command}   (finished tasks and stored replies are not repeated)")


def tell_success(folder: RunFolder, watcher: RunWatcher, seconds: float, say: Callable[[str], None]) -> None:
    """What the run took, and where to look."""
    records = watcher.records.values()
    calls = sum(int(record.get("calls") or 0) for record in records)
    cached = sum(record["status"] == "cached" for record in records)
    cpu = sum(float(record.get("cpu_seconds") or 0) for record in records)
    if note := nothing_to_do_in(list(records)):
        say(f"\n{note}")
    say(
        f"\nsucceeded in {seconds:.0f} s: {len(records)} tasks, {cached} of them from the cache, "
        f"{cpu:.0f} CPU seconds, {calls} teacher calls"
    )
    if folder.report.exists():
        say(f"  report   {folder.report}")
    say(f"  {HEADER} {folder.path / HEADER}")


def last_lines(folder: RunFolder, error: Record) -> list[str]:
    """The last lines of the failed task's own log, else of KFP's, without tracebacks."""
    log = folder.record.read(f"{LOGS}/{error['record']}.jsonl") if "record" in error else None
    if log is not None:
        return [line for line in map(_logged, log.decode(errors="replace").splitlines()[-TAIL_LINES:]) if line]
    if folder.kfp_log.exists():
        lines = [COLOURS.sub("", line).strip() for line in folder.kfp_log.read_text(errors="replace").splitlines()]
        ended = f"Task '{error.get('task')}' finished with status FAILURE"
        until = next((number for number, line in enumerate(lines) if ended in line), len(lines))  # `finish` comes after
        return [line for line in lines[:until] if line and not line.startswith("---")][-TAIL_LINES:]
    return []


def _logged(line: str) -> str:
    """One entry of a task's log; empty for one that a kill or a full disk cut off."""
    try:
        entry = json.loads(line)
        return f"{entry.get('level', ''):<7} {entry.get('message', '')}"
    except (json.JSONDecodeError, AttributeError):
        return ""
