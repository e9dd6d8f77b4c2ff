"""SFT whose pod is lost: another one, on an empty disk, goes on from what lies in the bucket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from components.core.data.manifest import read_manifest
from components.core.engine.context import Context
from components.core.engine.record import RunRecord
from components.core.stores.files import storage_for
from components.core.stores.mirror import PUBLISHED
from tests.components.sft.test_train import SETTINGS, curve
from tests.components.training_world import training_data


def pod(disk: Path, state: str, data: dict[str, Path]) -> subprocess.Popen[bytes]:
    """SFT as a process with a disk of its own, its state in a bucket."""
    inputs = [part for name, path in data.items() for part in (f"--{name}", str(path))]
    command = [sys.executable, "-m", "components.sft", *inputs, "--output", str(disk / "output")]
    told = Context(run_id="7f3a", state_root=state, scratch=str(disk / "scratch")).environment()
    return subprocess.Popen(
        [*command, "--settings", json.dumps(SETTINGS)],
        env={**os.environ, **told, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def published(state: str) -> list[int]:
    """The steps after which a whole checkpoint lies in the bucket."""
    names = [item.uri.rpartition("/")[2] for item in storage_for(state).list(f"{state}/checkpoints/")]
    return sorted(
        int(name.removeprefix("step-").removesuffix(PUBLISHED))
        for name in names
        if name.endswith(PUBLISHED) and "step" in name
    )


def test_a_pod_that_is_killed_costs_the_steps_since_its_last_checkpoint(tmp_path: Path, s3_bucket: str) -> None:
    state = f"{s3_bucket}/state"
    (tmp_path / "data").mkdir()
    data = training_data(tmp_path / "data", 4)
    first = pod(tmp_path / "first", state, data)
    deadline = time.monotonic() + 240
    while not published(state) and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not (tmp_path / "first" / "output" / "manifest.json").exists()
    kept = published(state)
    assert kept and max(kept) < 16

    assert pod(tmp_path / "second", state, data).wait() == 0
    log = (RunRecord(f"{state}/runs/7f3a").read("logs/sft.jsonl") or b"").decode()
    assert f"continuing at step {max(kept)} of 16" in log

    unbroken = tmp_path / "unbroken"
    assert pod(unbroken, f"{unbroken}/state", data).wait() == 0
    assert curve(tmp_path / "second" / "output") == curve(unbroken / "output")
    assert read_manifest(tmp_path / "second" / "output").digest == read_manifest(unbroken / "output").digest
