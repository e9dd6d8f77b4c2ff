"""What is stored for later runs: how much of it today's code reaches, and what `prune` frees."""

from __future__ import annotations

import asyncio
import fcntl
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.core.data.identity import filed_under
from components.core.stores.keyvalue import KeyValue, S3KeyValue, SqliteKeyValue, open_key_value
from components.core.stores.s3 import S3Storage
from components.core.video.readings import measurement
from pipelines import cli
from pipelines.launch.stored import is_reached, settings_of, survey
from pipelines.profile import load_profile

WORK = "components.captioning.caption"
STALE = f"{WORK}/{'0' * 16}-{'a' * 16}"
REACHED = {
    "records": [f"{filed_under(WORK, 'a' * 64)}/one", f"{filed_under(WORK, 'b' * 64)}/one"],
    "readings": [f"{measurement('components.captioning.motion', 'measure_frames')}/pyav-plan1/one"],
    "checkpoints": [f"{filed_under('components.sft.train', 'a' * 64)}/in/step-1/weights"],
}
LOST = {
    "records": [f"{STALE}/one", f"{STALE}/two", "captioning/0123", "components.nowhere.gone/0-1/one"],
    "readings": [f"components.captioning.motion.measure_frames/{'0' * 16}/pyav-plan1/one"],
    "checkpoints": [f"components.sft.train/{'0' * 16}-1/in/step-1/weights", "0123/step-1/weights"],
}
CALLS = ["call-1", "call-2"]


@pytest.fixture(params=["folder", "s3"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A state root that holds what is reached, what is not, and two replies."""
    root = str(tmp_path / "state") if request.param == "folder" else f"{request.getfixturevalue('s3_bucket')}/state"
    for name in ("records", "readings"):
        put(open_key_value(root, name), *REACHED[name], *LOST[name])
    put(open_key_value(root, "calls"), *CALLS)
    for key in (*REACHED["checkpoints"], *LOST["checkpoints"]):
        if request.param == "folder":
            path = Path(root, "checkpoints", key)
            path.parent.mkdir(parents=True)
            path.write_bytes(b"value")
        else:
            S3Storage().write(f"{root}/checkpoints/{key}", b"value")
    yield root


def put(store: KeyValue, *keys: str) -> None:
    async def put_all() -> None:
        await asyncio.gather(*[store.put(key, b"value") for key in keys])

    asyncio.run(put_all())
    store.close()


def held(root: str, name: str) -> set[str]:
    if name == "checkpoints" and not root.startswith("s3://"):
        folder = Path(root, name)
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    store = open_key_value(root, name) if name != "checkpoints" else S3KeyValue(f"{root}/{name}")

    async def keys() -> set[str]:
        return {entry.key async for entry in store.entries()}

    try:
        return asyncio.run(keys())
    finally:
        store.close()


def test_what_code_no_longer_reaches_is_shown_and_only_freed_on_demand(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = {name: {*REACHED[name], *LOST[name]} for name in REACHED}
    for command in (["stats"], ["prune"]):
        assert cli.main(["cache", *command, "--state", state]) == 0
        said = capsys.readouterr().out
        (line,) = [line for line in said.splitlines() if line.startswith("records") and WORK in line]
        assert line.split("(")[0].split()[-1] == "2" and "out of reach" in line
        assert "prune --yes" in said
        assert {name: held(state, name) for name in everything} == everything
    assert cli.main(["cache", "prune", "--yes", "--state", state]) == 0
    assert {name: held(state, name) for name in REACHED} == {name: set(kept) for name, kept in REACHED.items()}
    assert held(state, "calls") == set(CALLS)
    capsys.readouterr()
    assert cli.main(["cache", "stats", "--state", state]) == 0
    assert "prune --yes" not in capsys.readouterr().out


def test_replies_go_by_their_age_and_only_when_it_is_named(state: str) -> None:
    put(open_key_value(state, "calls"), "call-0")
    survey(state, free=True, calls_older_than_days=1)
    assert held(state, "calls") == {"call-0", *CALLS}
    time.sleep(1.1)  # S3 tells seconds
    survey(state, free=True, calls_older_than_days=0)
    assert held(state, "calls") == set()


def test_with_a_profile_other_settings_are_out_of_reach() -> None:
    profile = load_profile("laptop")
    mine, sft = profile.stages["captioning"].digest(), profile.stages["sft"].without_length().digest()
    settings = settings_of(profile)
    assert is_reached("records", f"{filed_under(WORK, mine)}/one", settings)
    assert is_reached("checkpoints", f"{filed_under('components.sft.train', sft)}/in/step-1/weights", settings)
    assert not is_reached("records", REACHED["records"][0], settings)
    assert is_reached("records", REACHED["records"][0])


def test_a_state_that_is_not_there_is_an_input_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "stats", "--runs", str(tmp_path / "none")]) == 2
    assert "There is no state" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_nothing_is_freed_under_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(open_key_value(str(tmp_path / "state"), "records"), *LOST["records"])
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cli.main(["cache", "prune", "--yes", "--runs", str(tmp_path)]) == 2
    assert "A run is using" in capsys.readouterr().err
    assert held(str(tmp_path / "state"), "records") == set(LOST["records"])
    assert cli.main(["cache", "prune", "--yes", "--runs", str(tmp_path)]) == 0
    assert not held(str(tmp_path / "state"), "records")


def test_memory_is_flat_however_much_is_stored(tmp_path: Path) -> None:
    peaks = []
    for count in (2_000, 20_000):
        root = tmp_path / str(count)
        store = SqliteKeyValue(root / "records.sqlite")
        rows = [(f"{STALE}/{number}", b"x" * 100, 0.0) for number in range(count)]
        with store._transaction():
            store._writer.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
        store.close()
        tracemalloc.start()
        found = survey(str(root), free=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found["records"].freed[WORK].entries == count and not held(str(root), "records")
    assert peaks[1] < 1.5 * peaks[0]
