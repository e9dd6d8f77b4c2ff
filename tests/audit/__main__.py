"""`python -m tests.audit [--run runs/<id>] [--truth FOLDER]`: print the audit; exit 1 where a bar is missed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.audit.audit import Audit

SHOWN = 12
SHOWN_CHARACTERS = 200


def main() -> int:
    """Audit one run."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description="A run against the sandbox's truth.")
    parser.add_argument("--run", type=Path, help="the run's folder; default: the newest in --runs")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where runs lie (default: %(default)s)")
    parser.add_argument("--truth", type=Path, help="the truth folder; default: RUNS/corpus/truth")
    arguments = parser.parse_args()
    run = arguments.run or newest(arguments.runs)
    truth = arguments.truth or arguments.runs / "corpus" / "truth"
    if run is None:
        print(f"There is no run in {arguments.runs}. Run the pipeline first: `make run`.", file=sys.stderr)
        return 2
    try:
        audit = Audit(run, truth)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"audit of {run} against {truth}\n")
    lines = list(audit.lines())
    for line in lines:
        print(line)
    for wrong in audit.wrong[:SHOWN]:
        print(f"  wrong  {wrong[:SHOWN_CHARACTERS]}")
    if len(audit.wrong) > SHOWN:
        print(f"  and {len(audit.wrong) - SHOWN} more")
    failed = [line.name for line in lines if not line.passed]
    print(f"\n{len(failed)} of {sum(line.bar is not None for line in lines)} bars missed")
    return 1 if failed else 0


def newest(runs: Path) -> Path | None:
    """The run folder written last."""
    found = sorted(runs.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    return found[-1].parent if found else None


if __name__ == "__main__":
    raise SystemExit(main())
