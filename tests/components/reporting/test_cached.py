"""Tasks that KFP took from its cache are told of as the run that made their output told of them."""

from __future__ import annotations

from pathlib import Path

from components.core.data.manifest import Manifest, Upstream, write_manifest
from components.core.engine.record import TASKS, RunRecord, TaskRecord, utc_now
from components.core.engine.run_summary import run_summary
from components.reporting.ancestry import walk
from components.reporting.cached import note_cached
from pipelines.rewatch import PIPELINE


def made(folder: Path, run_id: str, task: str, upstream: dict[str, Path] | None = None) -> Path:
    """A dataset or model that a run made."""
    path = folder / task
    path.mkdir()
    sources = tuple(Upstream(name=name, path=str(it), digest="d") for name, it in (upstream or {}).items())
    manifest = Manifest(stage=task, task=task, run_id=run_id, digest=task, rows={"ok": 7}, upstream=sources)
    write_manifest(path, manifest)
    return path


def wrote(run: RunRecord, name: str, output: Path | str, shard: str = "", **inputs: str | list[str]) -> None:
    """A task's own record, of a run in which it had a pod."""
    told = {"name": name, "stage": "x", "shard": shard, "status": "succeeded", "started": utc_now(), "seconds": 9.0}
    told |= {"rows": {"ok": 3, "rejected": 1, "failed": 0}, "calls": 5, "output": str(output), "inputs": inputs}
    run.write_task(TaskRecord.model_validate(told))


def test_what_ran_in_no_pod_is_written_down_as_cached_with_its_rows_back_to_the_corpus(
    s3_bucket: str, tmp_path: Path
) -> None:
    """A third run made the last model alone; the second the one before; of shards only the first run's records tell,
    as their datasets are not on this machine."""
    first, second, third = (RunRecord(f"{s3_bucket}/runs/run-{number}", str(tmp_path / "s")) for number in (1, 2, 3))
    corpus = made(tmp_path, "run-1", "ingest")
    shard = "/minio/artifacts/caption/1/captioned"
    captions = made(tmp_path, "run-1", "gate-captions", {"corpus": corpus, "shards": Path(shard)})
    sft = made(tmp_path, "run-2", "sft", {"captions": captions})
    grpo = made(tmp_path, "run-3", "grpo", {"sft_model": sft})
    wrote(first, "ingest", corpus)
    wrote(first, "caption-s00000", shard, "s00000-ab", corpus=str(corpus))
    wrote(first, "gate-captions", captions, corpus=str(corpus), shards=[shard])
    wrote(second, "sft", sft, captions=str(captions))
    wrote(third, "grpo", grpo, sft_model=str(sft))
    artifacts = walk([corpus, captions, sft, grpo], PIPELINE.outline).artifacts
    assert note_cached(third, artifacts) == 4
    told = {record["name"]: record for record in third.tasks()}
    assert {name: record["status"] for name, record in told.items()} == {
        **dict.fromkeys(("ingest", "caption-s00000", "gate-captions", "sft"), "cached"),
        "grpo": "succeeded",
    }
    assert told["caption-s00000"]["rows"] == {"ok": 3, "rejected": 1, "failed": 0}
    assert "calls" not in told["sft"] and told["sft"]["made_by"] == "run-2" and told["ingest"]["made_by"] == "run-1"
    assert note_cached(third, artifacts) == 0
    summary = run_summary({}, "succeeded", third.tasks(), PIPELINE.outline)
    assert summary["datasets"]["captions"] == str(captions) and summary["models"]["sft"] == str(sft)


def test_where_the_run_that_made_it_is_gone_the_artifact_tells_by_itself(s3_bucket: str, tmp_path: Path) -> None:
    corpus = made(tmp_path, "long-gone", "ingest")
    run = RunRecord(f"{s3_bucket}/runs/run-2", str(tmp_path / "s"))
    assert note_cached(run, walk([corpus], PIPELINE.outline).artifacts) == 1
    (told,) = run.tasks()
    assert (told["name"], told["status"], told["rows"]) == ("ingest", "cached", {"ok": 7})
    assert run.exists(f"{TASKS}/ingest.json")


def test_a_model_of_an_older_run_does_not_stand_for_the_task_that_ran(s3_bucket: str, tmp_path: Path) -> None:
    """Training that goes on from the champion has another `sft` among what it was made from."""
    (tmp_path / "old").mkdir()
    champion = made(tmp_path / "old", "run-1", "sft")
    mine = made(tmp_path, "run-2", "sft", {"champion": champion})
    run = RunRecord(f"{s3_bucket}/runs/run-2", str(tmp_path / "s"))
    wrote(run, "sft", mine, champion=str(champion))
    assert note_cached(run, walk([mine], PIPELINE.outline).artifacts) == 0
