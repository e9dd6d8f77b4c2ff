"""What a fake task does in place of `run_task`: write its record, or fail as told."""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path


def end_task(name: str, shard: str = "", output: str = "") -> None:
    """Write the task's record and its output folder, or fail."""
    run = Path(os.environ["REWATCH_RUN_ROOT"])
    label = f"{name}-{shard.partition('-')[0]}" if shard else name
    record = {
        "name": label,
        "shard": shard,
        "status": "succeeded",
        "seconds": 0.1,
        "cpu_seconds": 0.1,
        "rows": {"ok": 3, "rejected": 1, "failed": 0},
        "calls": 2,
        "cached_calls": 1,
        "tokens": 15,
        "error": None,
        "output": output,
        "info": {"budget": os.environ.get("REWATCH_BUDGET", "")},
    }
    if shard and os.environ.get("FAKE_LOSE") == shard:
        record["records"] = {"done": 4, "reused": 0, "failed": 1}
    if shard and "FAKE_FILL" in os.environ:
        fill_disk(run / f"{label}.filling")
    if shard and "FAKE_ASK" in os.environ:
        ask_without_end(os.environ["FAKE_ASK"])
    if shard and "FAKE_SLEEP" in os.environ:
        (run / "tasks" / f"{name}-{shard}.pid").write_text(str(os.getpid()))
        time.sleep(float(os.environ["FAKE_SLEEP"]))
    if shard and os.environ.get("FAKE_DIE") == shard:
        os._exit(137)
    if shard and os.environ.get("FAKE_FAIL") == shard:
        record["status"] = "failed"
        record["error"] = {"type": "TeacherUnavailable", "what": "The teacher is down.", "remedy": "Start it."}
        (run / "logs" / f"{label}.jsonl").write_text(
            json.dumps({"level": "error", "message": "connection refused"}) + "\n"
        )
    if output:
        Path(output).mkdir(parents=True, exist_ok=True)
    (run / "tasks" / f"{label}.json").write_text(json.dumps(record))
    if record["status"] == "failed":
        sys.exit(2)


def ask_without_end(address: str) -> None:
    """Call a server again and again, as a task that buys replies."""
    while True:
        urllib.request.urlopen(address, timeout=30).read()
        time.sleep(0.02)


def fill_disk(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))
