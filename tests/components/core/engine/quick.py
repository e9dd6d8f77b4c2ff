"""A data task of ten records that does nothing with them, and writes down what was imported for it.

python -m tests.components.core.engine.quick OUTPUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from components.core.data.rows import Summary
from components.core.data.settings import StageSettings
from components.core.engine.run import run_task
from components.core.engine.stage import Stage, Task


async def same(summary: Summary, task: Task[StageSettings]) -> list[Summary]:
    """What it was given."""
    return [summary]


async def run(task: Task[StageSettings]) -> None:
    """Map ten records to themselves."""
    await task.map([Summary(video_id=f"v{number}", text="t") for number in range(10)], same)


STAGE = Stage("quick", StageSettings, (), {"summaries": Summary}, run)

if __name__ == "__main__":
    run_task(STAGE, settings="{}", inputs={}, output=sys.argv[1])
    Path(sys.argv[1], "modules.json").write_text(json.dumps(sorted(sys.modules)))
