"""A run of a cluster on the terminal: a table that is redrawn, or a line for each change where nothing can be."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from components.core.engine.record import REPORT
from components.core.engine.terminal import printable, say
from components.core.errors import InputError, RewatchError
from pipelines.launch.cluster.progress import ClusterRun, Standing
from pipelines.launch.local.progress import Record, last_message, task_line

POLL_S = 3.0
TAIL_LINES = 8
QUIET_S = 30.0
"""After which a table that is not redrawn says that the run goes on."""
TOLD_AT_WORK = 3
OUTAGE_S = 300.0
"""How long an API may be away while a run is followed: it restarts, and a port-forward is made anew."""


@dataclass
class Table:
    """Shows how a run stands, again and again.

    Args:
        live: redraw it in place; else print only lines that changed.
        say: prints one line.
    """

    live: bool
    say: Callable[[str], None] = say
    _lines: list[str] = field(default_factory=list)
    _said_s: float = field(default_factory=time.monotonic)

    def show(self, standing: Standing) -> None:
        """Bring the terminal up to date."""
        lines = [line_of(task) for task in standing.tasks]
        if self.live:
            head = f"{standing.name}  {standing.status}  {_clock(standing.seconds)}"
            lines = [printable(line) for line in (head, *lines)]
            up = f"\x1b[{len(self._lines)}F" if self._lines else ""
            sys.stdout.write(up + "".join(f"{line}\x1b[K\n" for line in lines))
            sys.stdout.flush()
        else:
            known = {_without_time(line) for line in self._lines}
            for line, task in zip(lines, standing.tasks, strict=True):
                if task["status"] != "waiting" and _without_time(line) not in known:
                    self.tell(line)
        self._lines = lines

    def tell(self, line: str) -> None:
        """Print a line under what was shown; a live table is drawn anew below it."""
        self.say(line)
        self._lines, self._said_s = [] if self.live else self._lines, time.monotonic()

    def is_quiet(self, quiet_s: float) -> bool:
        """Whether nothing was to be seen for so long."""
        return not self.live and time.monotonic() - self._said_s >= quiet_s


def follow(run: ClusterRun, live: bool | None = None, poll_s: float = POLL_S, quiet_s: float = QUIET_S) -> int:
    """Show a run until it has ended; returns 0 if it succeeded. Ctrl-C leaves it running.

    Raises:
        InputError: KFP knows no such run, or cannot be asked for minutes.
    """
    table = Table(sys.stdout.isatty() if live is None else live)
    noted: set[str] = set()
    silent_since, seen = 0.0, False
    try:
        while True:
            try:
                standing = run.look()
                silent_since = 0.0
            except RewatchError:
                silent_since = silent_since or time.monotonic()
                if not seen or time.monotonic() - silent_since > OUTAGE_S:
                    raise
                time.sleep(poll_s)
                continue
            table.show(standing)
            seen = True
            for subject, told in _remarks(standing):
                if subject not in noted:
                    table.tell(told)
                    noted.add(subject)
            if table.is_quiet(quiet_s) and not standing.has_ended:
                table.tell(at_work(standing, run))
            if standing.has_ended:
                tell_end(run, standing)
                return 0 if standing.status == "succeeded" else 1
            time.sleep(poll_s)
    except KeyboardInterrupt:
        say(f"\nthe run goes on; `rewatch status {run.run_id}`, `rewatch cancel {run.run_id}`")
        return 130


def _remarks(standing: Standing) -> list[tuple[str, str]]:
    """What is said once: its subject, which may come up again with other figures, and the words."""
    note = f"rows and causes are not told: {standing.note}"
    return [(it, told) for it, told in ((standing.note, note), (standing.stuck, standing.waiting)) if it]


def at_work(standing: Standing, run: ClusterRun) -> str:
    """One line while nothing changes: how far a run is, and what those of its tasks that are at work said last."""
    done = sum(task["status"] in ("succeeded", "cached") for task in standing.tasks)
    words = [f"{name}: {words[:80] or 'started'}" for name, words in islice(run.last_words(), TOLD_AT_WORK)]
    now = words or [task["name"] for task in standing.tasks if task["status"] == "running"] or ["between two tasks"]
    return f"  ...     {_clock(standing.seconds)}, {done} of {len(standing.tasks)} tasks done; {'; '.join(now)}"


def tell_end(run: ClusterRun, standing: Standing) -> None:
    """How it ended, why, and where to look."""
    if standing.nothing_to_do:
        say(f"\n{standing.nothing_to_do}")
    done = [task for task in standing.tasks if task["status"] in ("succeeded", "cached")]
    cached = sum(task["status"] == "cached" for task in done)
    calls = sum(int(task.get("calls") or 0) for task in standing.tasks)
    say(
        f"\n{standing.status} in {_clock(standing.seconds)}: {len(done)} of {len(standing.tasks)} tasks, "
        f"{cached} of them from the cache, {calls} teacher calls"
    )
    tell_error(run, standing)
    try:
        if run.record.exists(REPORT):
            say(f"  report  {run.record.uri(REPORT)}")
    except InputError:
        pass  # which was said above, as the reason why rows are missing
    say(f"  page    {run.api.page(run.run_id)}")


def tell_error(run: ClusterRun, standing: Standing) -> None:
    """Task and shard that failed, cause, remedy, and the end of its log."""
    error = standing.error
    if not error:
        return
    where = f"{error.get('task') or 'the run'} {error.get('shard') or ''}".strip()
    say(f"  {where} failed: {error.get('what', '')}")
    if error.get("remedy"):
        say(f"  what to do: {error['remedy']}")
    if record := str(error.get("record") or ""):
        if message := last_message(run.record, record):
            say(f"  its last words: {message[:200]}")
        say(f"  its log: rewatch logs {run.run_id} {record}")


def line_of(task: Record) -> str:
    """One line about a task: its state, how many of its shards ended, seconds, rows and calls.

    >>> line_of({"name": "caption", "status": "running", "done": 3, "total": 5, "cached": 2, "seconds": 61.5,
    ...          "cpu_seconds": 9.1, "rows": {"ok": 40, "rejected": 2}, "calls": 80, "cached_calls": 0})
    '  ...     caption 3/5                    61.5 s  cpu    9.1   40 rows, 2 rejected, 80 calls, 2 from the cache'
    """
    shards = f" {task['done']}/{task['total']}" if task["total"] > 1 else ""
    line = task_line({**task, "name": f"{task['name']}{shards}"})
    if task["cached"] and task["status"] != "cached":
        line += f"{', ' if 'rows' in line or 'calls' in line else '   '}{task['cached']} from the cache"
    return line


def _clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> _clock(61.5), _clock(7265)
    ('1:01', '2:01:05')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _without_time(line: str) -> str:
    """A line without its seconds, which change while nothing else does."""
    return " ".join(word for word in line.split() if not word.replace(".", "").isdigit())
