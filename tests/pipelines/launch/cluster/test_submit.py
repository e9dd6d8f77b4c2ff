"""Starting, following, resuming and ending a run on a cluster, against a KFP API on loopback."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components.core.engine.record import RunRecord, TaskRecord, utc_now
from components.core.errors import InputError
from pipelines.cli import main
from pipelines.ir.lint import Compiled
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.cluster.preflight import check_arguments, check_images
from tests.pipelines.launch.cluster.kfp_server import FakeKfp


def created(kfp: FakeKfp) -> dict[str, int]:
    """How many things the server was given, by kind."""
    return {kind: len(items) for kind, items in kfp.kept.items() if items}


def test_a_run_is_given_the_compiled_pipeline_the_videos_and_every_section(kfp: FakeKfp, options: list[str]) -> None:
    assert main(["submit", *options, "--run-name", "first"]) == 0
    (run,) = kfp["runs"]
    assert created(kfp) == {"experiments": 1, "runs": 1}
    assert run["display_name"] == "first"
    assert run["runtime_config"]["parameters"].keys() == {"videos", "reading", "gate", "counting", "reporting"}
    assert "exit-handler-1" in run["pipeline_spec"]["pipeline_spec"]["root"]["dag"]["tasks"]
    executors = run["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert "fieldPathAsEnv" in executors["exec-read"]
    assert main(["submit", *options]) == 0
    assert created(kfp) == {"experiments": 1, "runs": 2}


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (["--set", "reading.sufix=.md"], "did you mean 'suffix'"),
        (["--set", "redding.suffix=.md"], "did you mean 'reading'"),
        (["--videos", "/my/videos"], "A cluster cannot read /my/videos"),
        (["--videos", "gs://bucket/videos"], "A cluster cannot read"),
        (["--set", "launch.host=http://127.0.0.1:1"], "cannot be reached"),
        (["--set", "launch.host=ml-pipeline:8888"], "has no scheme"),
        (["--set", "launch.host=''"], "No KFP API is named"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_created(
    kfp: FakeKfp, options: list[str], capsys: pytest.CaptureFixture[str], wrong: list[str], complaint: str
) -> None:
    assert main(["submit", *options, *wrong]) == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
    assert not created(kfp)


def test_the_environment_names_another_api_and_the_login(
    kfp: FakeKfp,
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kfp.token = "secret-1"
    options = [*options, "--set", "launch.host=http://127.0.0.1:1"]
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp.address)
    assert main(["submit", *options]) == 2
    assert "refuses the login (401)" in (said := capsys.readouterr().err) and "REWATCH_KFP_TOKEN" in said
    assert not created(kfp)
    monkeypatch.setenv("REWATCH_KFP_TOKEN", "secret-1")
    assert main(["submit", *options]) == 0
    monkeypatch.delenv("REWATCH_KFP_TOKEN")
    mounted = tmp_path / "token"
    mounted.write_text("secret-1\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(mounted))
    assert main(["submit", *options]) == 0
    api = KfpApi(kfp.address)
    kfp.token = "secret-2"  # Kubernetes renews what it mounts
    mounted.write_text("secret-2\n")
    assert len(api.latest_runs("notes")) == 2
    assert "secret" not in "".join(capsys.readouterr())


def test_what_answers_and_is_no_kfp_is_told(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>Log in</html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert main(["submit", *options, "--set", f"launch.host=http://127.0.0.1:{server.server_port}"]) == 2
        server.shutdown()
    assert "is no KFP API" in capsys.readouterr().err


def test_a_kfp_of_several_users_is_asked_for_the_namespace(
    kfp: FakeKfp, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kfp.multi_user = True
    assert main(["submit", *options]) == 2
    assert "Set launch.namespace" in capsys.readouterr().err
    assert main(["submit", *options, "--set", "launch.namespace=team"]) == 0
    assert kfp["experiments"][0]["namespace"] == "team"


def test_watch_follows_a_run_to_its_end_and_its_success_is_the_exit_code(
    kfp: FakeKfp, options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def cluster(seconds: float) -> None:
        """What happens between two looks."""
        run_id = kfp["runs"][-1]["run_id"]
        seen.append(seconds)
        if len(seen) == 1:
            kfp["runs"][-1]["state"] = "RUNNING"
            kfp.nodes(run_id, read__driver="SUCCEEDED", read="RUNNING")
        elif len(seen) == 2:
            kfp.failing = 2  # its API restarts meanwhile
        else:
            kfp.nodes(run_id, read="SUCCEEDED", gate__notes="FAILED", finish="SUCCEEDED")
            kfp.end(run_id, "FAILED", "task gate-notes failed")

    monkeypatch.setattr("pipelines.launch.cluster.follow.time.sleep", cluster)
    assert main(["submit", *options, "--watch"]) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    states = [line[:2] for line in lines if line and line[0] in ("...", "ok", "cached", "FAILED", "skipped")]
    assert states[0] == ["...", "read"]
    assert ["cached", "read"] in states and ["FAILED", "gate-notes"] in states and ["skipped", "count"] in states
    assert any("task gate-notes failed" in " ".join(line) for line in lines)


def test_a_run_is_resumed_as_it_was_submitted_once_it_has_ended(
    kfp: FakeKfp, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", *options, "--run-name", "first", "--set", "reading.suffix=.md"]) == 0
    before = kfp["runs"][0]
    assert main(["resume", *options, before["run_id"]]) == 2
    assert "is waiting" in capsys.readouterr().err
    kfp.end(before["run_id"], "FAILED")
    assert main(["resume", *options]) == 0
    after = kfp["runs"][1]
    assert after["pipeline_spec"] == before["pipeline_spec"]
    assert after["runtime_config"] == before["runtime_config"] and ".md" in str(after["runtime_config"])
    assert after["display_name"].startswith("first resumed ")


def test_cancel_ends_a_run_that_runs_and_no_other(
    kfp: FakeKfp, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cancel", *options]) == 2
    assert "There is no run in the experiment 'notes'" in capsys.readouterr().err
    assert main(["submit", *options]) == 0
    run = kfp["runs"][0]
    run["state"] = "RUNNING"
    assert main(["cancel", *options, run["run_id"]]) == 0
    assert run["state"] == "CANCELING"
    kfp.end(run["run_id"], "CANCELED")
    assert main(["cancel", *options]) == 2
    assert "has ended already: cancelled" in capsys.readouterr().err
    assert main(["cancel", *options, "no-such"]) == 2
    assert "knows no such thing: ResourceNotFoundError" in capsys.readouterr().err


def test_logs_of_a_run_in_the_bucket_are_told_by_task(
    options: list[str], s3_bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunRecord(f"{s3_bucket}/state/runs/7f3a", str(tmp_path))
    told = {"stage": "captioning", "started": utc_now()}
    for shard in ("s00000", "s00001"):
        run.write_task(TaskRecord(name=f"caption-{shard}", status="succeeded", **told))
        line = f'{{"time": "2026-01-01T10:00:00", "level": "warning", "message": "seen by {shard}"}}\n'
        run.write(f"logs/caption-{shard}.jsonl", line.encode())
    assert main(["logs", *options, "7f3a"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["caption-s00000", "caption-s00001"]
    assert main(["logs", *options, "7f3a", "caption-s00001", "--follow"]) == 0
    assert capsys.readouterr().out == "10:00:00 warning: seen by s00001\n"
    assert main(["logs", *options, "7f3a", "caption"]) == 0
    assert "caption-s00000  10:00:00 warning: seen by s00000" in capsys.readouterr().out
    assert main(["logs", *options, "7f3a", "grpo"]) == 2
    assert "kubectl logs -A -l pipeline/runid=7f3a" in capsys.readouterr().err


def pipeline(image: str = "example.org/a:1", **parameters: dict[str, object]) -> Compiled:
    root = {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": parameters}}
    return Compiled({"root": root, "deploymentSpec": {"executors": {"one": {"container": {"image": image}}}}}, {}, 0)


def test_an_argument_that_the_pipeline_does_not_know_or_that_is_missing_is_told() -> None:
    known = pipeline(videos={}, settings={"defaultValue": "{}"}, note={"isOptional": True})
    check_arguments(known, {"videos": "s3://b/v"})
    with pytest.raises(InputError, match="knows no parameter vidoes and is given no videos"):
        check_arguments(known, {"vidoes": "s3://b/v"})


def test_an_image_that_its_registry_has_not_is_told_and_one_that_cannot_be_asked_is_only_noted() -> None:
    class Registry(BaseHTTPRequestHandler):
        """One image; another is asked for with the token that anybody is given."""

        server: ThreadingHTTPServer

        def do_HEAD(self) -> None:
            known = {"/v2/ours/data/manifests/a-1": 200, "/v2/ours/open/manifests/a-1": 401}
            status = known.get(self.path, 404)
            if self.headers.get("Authorization") == "Bearer anybody":
                status = 200
            self.send_response(status)
            if status == 401:
                realm = f"http://127.0.0.1:{self.server.server_port}/token"
                self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="s",scope="pull"')
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"token": "anybody"}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ours = f"127.0.0.1:{server.server_port}/ours"
        assert check_images(pipeline(f"{ours}/data:a-1")) == []
        assert check_images(pipeline(f"{ours}/open:a-1")) == []
        with pytest.raises(InputError, match="1 of 1 images of this code are not in their registry") as caught:
            check_images(pipeline(f"{ours}/data:a-2"))
        assert "make push" in caught.value.remedy
        server.shutdown()
    (note,) = check_images(pipeline("127.0.0.1:1/ours/data:a-1"))
    assert "cannot be reached" in note
