"""What must hold before a run: everything that is missing is told at once, by whom it was asked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from components.core.data.identity import identity_of
from components.core.engine import pools, prerequisites
from components.core.engine.context import Context
from components.core.engine.pools import PoolNeeds
from components.core.engine.prerequisites import Asked, bases_in, missing, roles_in
from components.core.stores.buckets import BucketSettings
from components.core.stores.s3 import s3_storage
from components.core.teachers.budget import Budget
from components.core.teachers.endpoints import EndpointSettings
from components.core.teachers.roles import RoleSettings
from components.sandbox.teacher.launch import running_teacher
from tests.conftest import Films

CAPTIONER = RoleSettings(role="captioner", endpoint="big", model="Q", max_tokens=64)


class Server(BaseHTTPRequestHandler):
    """A model server that takes four images and one key, MLflow behind a password, a model of Hugging Face's behind a
    token, and a cluster of one node with two accelerators and one volume."""

    def do_GET(self) -> None:
        who = self.headers.get("Authorization")
        if self.path.startswith("/api/2.0/mlflow"):
            self._say(200 if who == "Basic bWU6cHc=" else 401, {})
        elif self.path == "/someone/gated/resolve/main/config.json":
            self._say(200 if who == "Bearer hf_mine" else 403, {"error": "Access to it is restricted."})
        elif self.path == "/api/v1/nodes":
            node = {"metadata": {"labels": {"pool": "x"}}, "status": {"allocatable": {"nvidia.com/gpu": "2"}}}
            self._say(200 if who == "Bearer pod" else 403, {"items": [node]})
        elif self.path.startswith("/api/v1/namespaces/kubeflow/persistentvolumeclaims/"):
            self._say(200 if self.path.endswith("/models") else 404, {"status": {"phase": "Pending"}})
        elif self.headers.get("Authorization") != "Bearer k3y":
            self._say(401, {})
        else:
            self._say(200, {"data": [{"id": "Q", "max_model_len": 4096}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        images = sum(part["type"] == "image_url" for part in body["messages"][0]["content"])
        if images > 4:
            self._say(400, {"message": "At most 4 image(s) may be provided in one request."})
        else:
            self._say(200, {"choices": []})

    def _say(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()


@pytest.fixture
def videos(tmp_path: Path) -> str:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"a")
    return str(tmp_path / "videos")


def surroundings(tmp_path: Path, server: str, **more: object) -> Context:
    endpoint = EndpointSettings(base_url=f"{server}/v1", api_key_env="BIG_KEY")
    given = {"run_id": "r", "state_root": str(tmp_path / "state"), "endpoints": {"big": endpoint}, **more}
    return Context.model_validate(given)


def assert_told(found: list[str], *parts: str) -> None:
    """Each of the parts is in one of the problems that were found, and there are no others."""
    for part in parts:
        assert sum(part in problem for problem in found) == 1, (part, found)
    assert len(found) == len(parts)


def test_nothing_is_missing_where_all_is_there(
    tmp_path: Path, server: str, videos: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIG_KEY", "k3y")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
    context = surroundings(tmp_path, server, mlflow_uri=server)
    assert missing(context, videos, [Asked(CAPTIONER, 4, 28 * 28)]) == []
    assert not list((tmp_path / "state").rglob("by-hand")), "what it wrote to see whether it can is gone"


def test_everything_that_is_missing_is_told_at_once(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIG_KEY", "k3y")
    (tmp_path / "state").write_text("a file where a folder should be")
    judge = CAPTIONER.model_copy(update={"role": "judge", "model": "R"})
    lost = CAPTIONER.model_copy(update={"role": "auditor", "endpoint": "nobody"})
    context = surroundings(tmp_path, server, mlflow_uri=server, budget=Budget(tokens=3, cost=1.0))
    asked = [Asked(CAPTIONER, 128, 28 * 28), Asked(judge, 0, 0), Asked(lost, 0, 0)]
    found = missing(context, str(tmp_path / "none"), asked)
    assert_told(
        found,
        "cannot be written",
        "no file or folder",
        "MLflow at",
        "have no price",
        "one reply may take 64",
        "128 images of 784 pixels",
        "serves Q, not 'R' that",
        "endpoints.nobody.base_url",
    )


@pytest.mark.parametrize("gone", [False, True])
def test_a_password_in_mlflows_address_is_not_told(tmp_path: Path, server: str, videos: str, gone: bool) -> None:
    address = "http://127.0.0.1:1" if gone else server
    with_password = address.replace("http://", "http://me:s3cret@")
    found = missing(surroundings(tmp_path, server, mlflow_uri=with_password), videos, [])
    assert_told(found, f"MLflow at {address}")
    assert "s3cret" not in found[0]


@pytest.mark.usefixtures("silent_store")
def test_whoever_takes_every_packet_and_never_answers_is_told_with_all_the_rest(
    tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prerequisites, "ALL_TOLD_S", 3.0)
    monkeypatch.setenv("BIG_KEY", "k3y")
    monkeypatch.setenv("HF_ENDPOINT", silent)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "models"))
    told = {"state_root": "s3://ours/state", "mlflow_uri": silent, "budget": Budget(tokens=3)}
    began = time.monotonic()
    found = missing(
        surroundings(tmp_path, silent, **told), "s3://films/", [Asked(CAPTIONER, 4, 28 * 28)], [], ["someone/gated"]
    )
    assert time.monotonic() - began < 60, "boto3 alone would wait for six minutes"
    assert_told(
        found,
        "The store of s3://ours/state gave no answer within 3 s. Correct launch.s3_endpoint or launch.buckets",
        "The store of s3://films/ gave no answer within 3 s.",
        f"MLflow at {silent} gave no answer within 3 s. Start it, or correct launch.mlflow.",
        "The Hub, asked for someone/gated, gave no answer",
        "The teacher 'big' gave no answer",
        "one reply may take 64",
    )


@pytest.mark.parametrize(("key", "told"), [("", "BIG_KEY, which is not set"), ("wrong", "refused its key (401)")])
def test_a_key_that_is_not_set_or_not_taken_is_told_without_its_value(
    tmp_path: Path, server: str, videos: str, monkeypatch: pytest.MonkeyPatch, key: str, told: str
) -> None:
    monkeypatch.setenv("BIG_KEY", key)
    (problem,) = missing(surroundings(tmp_path, server), videos, [Asked(CAPTIONER, 0, 0)])
    assert told in problem
    assert not key or key not in problem


def test_a_bucket_is_asked_whether_it_keeps_what_was_first(s3_bucket: str, server: str) -> None:
    from components.core.stores.files import storage_for

    storage_for(s3_bucket).write(f"{s3_bucket}/videos/a.mp4", b"a")
    context = Context(run_id="r", state_root=f"{s3_bucket}/state")
    assert missing(context, f"{s3_bucket}/videos/", []) == []
    assert [item.uri for item in storage_for(s3_bucket).list(s3_bucket)] == [f"{s3_bucket}/videos/a.mp4"]
    (problem,) = missing(context, f"{s3_bucket}/nothing/", [])
    assert "There is nothing at" in problem


def test_a_built_in_teacher_of_other_code_is_found_out(tmp_path: Path, videos: str) -> None:
    """The name of its models says nothing: the same replies would be filed under another's revision."""
    revision = identity_of("components.sandbox.teacher.rules").digest[:12]
    role = RoleSettings(role="captioner", endpoint="builtin", model="builtin-captioner", revision=revision)
    with running_teacher() as address:
        endpoints = {"builtin": EndpointSettings(base_url=address)}
        context = Context(run_id="r", state_root=str(tmp_path / "state"), endpoints=endpoints)
        assert missing(context, videos, [Asked(role, 16, 28 * 28)]) == []
        old = role.model_copy(update={"revision": "0123456789ab"})
        (problem,) = missing(context, videos, [Asked(old, 16, 28 * 28)])
    assert f"is of the revision {revision}, the profile's is 0123456789ab" in problem


def test_roles_are_found_wherever_a_section_holds_them() -> None:
    probe = CAPTIONER.model_copy(update={"role": "probe_a"})
    section = {"captioner": CAPTIONER, "frames_per_request": 8, "max_pixels": 100, "inner": {"probes": [probe]}}
    plain = json.loads(json.dumps(section, default=lambda value: value.model_dump(mode="json")))
    assert roles_in(plain) == [Asked(CAPTIONER, 8, 100), Asked(probe, 8, 100)]


@pytest.fixture
def in_a_pod(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a service account, and the cluster's API."""
    import certifi

    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("pod\n")
    (account / "namespace").write_text("kubeflow")
    (account / "ca.crt").write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setattr(pools, "SERVICE_ACCOUNT", account)
    monkeypatch.setattr(pools, "API", server)


TRAINING = PoolNeeds("training", "nvidia.com/gpu", 2, {"pool": "x"}, ("models",))


@pytest.mark.usefixtures("in_a_pod")
def test_accelerators_and_volumes_that_the_cluster_has_are_not_told(tmp_path: Path, videos: str) -> None:
    context = Context(run_id="r", state_root=str(tmp_path / "state"))
    assert missing(context, videos, [], [TRAINING]) == []


@pytest.mark.usefixtures("in_a_pod")
def test_where_the_account_may_not_look_the_scheduler_will_say(
    tmp_path: Path, videos: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pools.SERVICE_ACCOUNT / "token").write_text("another")
    context = Context(run_id="r", state_root=str(tmp_path / "state"))
    assert missing(context, videos, [], [TRAINING._replace(amount=8)]) == []
    monkeypatch.setattr(pools, "SERVICE_ACCOUNT", tmp_path / "no pod")
    assert missing(context, videos, [], [TRAINING._replace(claims=("other",))]) == []


@pytest.mark.usefixtures("in_a_pod", "s3_bucket")
def test_every_fault_of_stores_models_cards_volumes_and_tracking_is_told_at_once(
    server: str, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stores: the state's lacks its bucket, the videos' refuses the key."""
    told = BucketSettings(endpoint=films.endpoint, access_key_env="FILMS_ID", secret_key_env="FILMS_KEY")
    monkeypatch.setenv("REWATCH_BUCKETS", Context(buckets={"films": told}).environment()["REWATCH_BUCKETS"])
    monkeypatch.setenv("FILMS_ID", films.access_key)
    monkeypatch.setenv("FILMS_KEY", "wr0ng")
    monkeypatch.setenv("HF_ENDPOINT", server)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mlflow_other")
    s3_storage.cache_clear()
    context = Context(run_id="r", state_root="s3://no-such-bucket/state", mlflow_uri=server)
    wanted = TRAINING._replace(amount=8, claims=("models", "datasets"))
    found = missing(context, "s3://films/", [], [wanted], ["someone/gated"])
    assert_told(
        found,
        "S3 refused s3://no-such-bucket/state/prerequisites/r: NoSuchBucket",
        "S3 refused s3://films/: SignatureDoesNotMatch",
        "MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN, in platform.secret_keys",
        "does not give someone/gated to the account of HF_TOKEN: 403",
        "asks for 8 nvidia.com/gpu on one node (pool=x); of 1 such nodes none has more than 2",
        "kubeflow has no PersistentVolumeClaim 'datasets'",
    )
    assert not [secret for secret in ("wr0ng", "hf_other", "mlflow_other") if secret in str(found)]
    monkeypatch.setenv("FILMS_KEY", films.secret_key)
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    s3_storage.cache_clear()
    s3_storage(()).write("s3://films/a.mp4", b"a")
    found = missing(context, "s3://films/", [], [TRAINING], ["someone/gated"])
    assert len(found) == 2, "state and tracking are as they were"


def test_a_base_is_asked_for_unless_a_copy_is_there_or_the_hub_is_not_to_be_asked(
    tmp_path: Path, server: str, videos: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{server}:1/")  # nobody answers there
    monkeypatch.setenv("HF_HOME", str(tmp_path / "models"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    context = Context(run_id="r", state_root=str(tmp_path / "state"))

    def told() -> list[str]:
        return missing(context, videos, [], [], ["someone/gated"])

    (problem,) = told()
    assert "cannot be asked for someone/gated" in problem and "HF_HUB_OFFLINE" in problem
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert told() == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    (tmp_path / "models" / "hub" / "models--someone--gated").mkdir(parents=True)
    assert told() == []


@pytest.mark.parametrize(
    ("base", "on_the_hub"),
    [("Qwen/Qwen2.5-VL-3B-Instruct", True), ("", False), ("/models/mine", False), ("a/b/c", False), ("./mine", False)],
)
def test_only_what_names_a_model_of_the_hub_is_asked_for_there(base: str, on_the_hub: bool) -> None:
    assert bases_in({"base": base}) == ([base] if on_the_hub else [])
