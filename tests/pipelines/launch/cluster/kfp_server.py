"""A server on loopback that speaks the part of KFP's v2beta1 API that the launcher uses, and keeps what it is given.

Paths, methods, field names and the shapes of refusals are those of KFP 2.17's OpenAPI description and of its API
server's source: experiments, runs, pipelines and their versions, recurring runs, health. What a cluster would do with a
run, a test does: it sets the states of its nodes.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Item = dict[str, Any]
IDS = {
    "experiments": "experiment_id",
    "runs": "run_id",
    "pipelines": "pipeline_id",
    "versions": "pipeline_version_id",
    "recurringruns": "recurring_run_id",
}
LISTS = {"recurringruns": "recurringRuns", "versions": "pipeline_versions"}
NEVER = "1970-01-01T00:00:00Z"


class FakeKfp:
    """What the server holds."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.token = ""
        """If set, only who bears it is answered."""
        self.multi_user = False
        self.failing = 0
        """How many of the next requests are answered with 503."""
        self.frozen: set[str] = set()
        """Runs whose nodes Argo keeps compressed by now: what the API tells of them stays as it is."""
        self.made = 0
        self.kept: dict[str, list[Item]] = {kind: [] for kind in IDS}
        self.requests: list[str] = []
        """Method and path of every request that was not refused."""

    def __getitem__(self, kind: str) -> list[Item]:
        return self.kept[kind]

    def find(self, kind: str, id: str) -> Item | None:
        """One item by its id."""
        return next((item for item in self.kept[kind] if item[IDS[kind]] == id), None)

    def add(self, kind: str, item: Item) -> Item:
        """Keep an item under a new id; each is a second younger than the one before."""
        self.made += 1
        number = self.made
        born = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        made = {**item, IDS[kind]: f"{kind[:-1]}-{number}", "created_at": _text(born)}
        self.kept[kind].append(made)
        return made

    def nodes(self, run_id: str, **states: str | list[str]) -> None:
        """Set the states of a run's nodes; `__` in a name is a hyphen, a list holds one for each shard."""
        run = self.find("runs", run_id)
        assert run is not None
        if run_id in self.frozen:
            return
        details = []
        for name, given in states.items():
            for state in [given] if isinstance(given, str) else given:
                ended = state in ("SUCCEEDED", "FAILED")
                times = {"start_time": "2026-01-01T00:01:00Z", "end_time": "2026-01-01T00:01:10Z" if ended else NEVER}
                details.append({"display_name": name.replace("__", "-"), "state": state, **times})
        run["run_details"] = {"task_details": details}

    def end(self, run_id: str, state: str = "SUCCEEDED", message: str = "") -> None:
        """Let a run end."""
        run = self.find("runs", run_id)
        assert run is not None
        run |= {"state": state, "finished_at": "2026-01-01T00:05:00Z"}
        if message:
            run["error"] = {"code": 13, "message": message}


@contextmanager
def serving() -> Iterator[FakeKfp]:
    """A server for as long as the block lasts."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.kfp
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kfp = FakeKfp(f"http://127.0.0.1:{self.server_port}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        kfp = self.server.kfp
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if kfp.failing:
                kfp.failing -= 1
                raise _Refused(503, "the database is away")
            if kfp.token and self.headers.get("authorization") != f"Bearer {kfp.token}":
                raise _Refused(401, "Unauthenticated: Request header error: there is no user identity header")
            status, content = 200, _route(kfp, method, url.path, query, body, self.headers.get("Content-Type", ""))
            kfp.requests.append(f"{method} {url.path}")
        except _Refused as refused:
            status = refused.status
            content = {"error": refused.said, "message": refused.said, "error_details": "stack\n of Go", "code": 5}
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Refused(Exception):
    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


def _route(kfp: FakeKfp, method: str, path: str, query: Item, body: bytes, kind_of_body: str) -> Item:
    parts = path.removeprefix("/apis/v2beta1/").split("/")
    if parts == ["healthz"]:
        return {"commit_sha": "c0ffee", "tag_name": "2.17.0", "multi_user": kfp.multi_user}
    if parts == ["pipelines", "upload_version"]:
        return _upload(kfp, query, body, kind_of_body)
    kind, above = parts[0], {}
    if kind == "pipelines" and len(parts) > 2:
        kind, above = "versions", {"pipeline_id": parts[1]}
        parts = parts[2:]
    if kind not in IDS:
        raise _Refused(404, f"Not Found: {path}")
    if len(parts) == 1:
        return _list(kfp, kind, above, query) if method == "GET" else _create(kfp, kind, json.loads(body))
    id, _, verb = parts[1].partition(":")
    item = kfp.find(kind, id)
    if item is None:
        raise _Refused(404, f"ResourceNotFoundError: {kind[:-1].capitalize()} {id} not found")
    if method == "DELETE":
        kfp[kind].remove(item)
        if kind == "pipelines":
            kfp.kept["versions"] = [it for it in kfp["versions"] if it["pipeline_id"] != id]
        return {}
    if verb == "terminate":
        item["state"] = "CANCELING"
    elif verb in ("enable", "disable"):
        item["status"] = f"{verb.upper()}D"
    elif verb:
        raise _Refused(404, f"Not Found: {path}")
    return {} if verb else item


def _create(kfp: FakeKfp, kind: str, item: Item) -> Item:
    if kind == "experiments" and any(known["display_name"] == item["display_name"] for known in kfp[kind]):
        raise _Refused(409, "AlreadyExistsError: the experiment exists")
    if kind == "runs":
        _check(kfp, item)
        return kfp.add(kind, {**item, "state": "PENDING", "finished_at": NEVER})
    if kind == "recurringruns":
        _check(kfp, item)
        cron = item.get("trigger", {}).get("cron_schedule", {}).get("cron", "")
        if not cron.startswith("@") and len(cron.split()) not in (5, 6):
            raise _Refused(
                400, f"Schedule cron is not a supported format. Error: Expected 5 to 6 fields, found {cron!r}"
            )
        if not 1 <= int(item.get("max_concurrency") or 0) <= 10:
            raise _Refused(400, "The max concurrency of the recurring run is out of range")
        item["max_concurrency"] = str(item["max_concurrency"])
        return kfp.add(kind, {**item, "status": f"{item.pop('mode')}D"})
    return kfp.add(kind, item)


def _check(kfp: FakeKfp, item: Item) -> None:
    """What KFP refuses when a run, or a schedule of runs, is made."""
    if not kfp.find("experiments", item.get("experiment_id", "")):
        raise _Refused(400, "Invalid input error: the experiment does not exist")
    reference = item.get("pipeline_version_reference")
    if reference:
        versions = [it for it in kfp["versions"] if it["pipeline_id"] == reference["pipeline_id"]]
        if not versions or not kfp.find(
            "versions", reference.get("pipeline_version_id", versions[-1][IDS["versions"]])
        ):
            raise _Refused(404, "ResourceNotFoundError: PipelineVersion not found")
        spec = versions[-1]["pipeline_spec"]
    else:
        spec = item.get("pipeline_spec") or {}
    ir = spec.get("pipeline_spec", spec)
    if "root" not in ir:
        raise _Refused(400, "Invalid input error: the pipeline spec is missing")
    known = ir["root"].get("inputDefinitions", {}).get("parameters", {})
    unknown = set(item.get("runtime_config", {}).get("parameters", {})) - set(known)
    if unknown:
        raise _Refused(400, f"Invalid input error: parameter(s) provided are not required by pipeline: {unknown}")


def _list(kfp: FakeKfp, kind: str, above: Item, query: Item) -> Item:
    items = [item for item in kfp[kind] if all(item[key] == value for key, value in above.items())]
    if "experiment_id" in query:
        items = [item for item in items if item["experiment_id"] == query["experiment_id"]]
    for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
        assert predicate["operation"] == "EQUALS"
        items = [item for item in items if item.get(predicate["key"]) == predicate["stringValue"]]
    if query.get("sort_by") == "created_at desc":
        items = items[::-1]
    start, size = int(query.get("page_token") or 0), int(query.get("page_size") or 10)
    page: Item = {LISTS.get(kind, kind): items[start : start + size], "total_size": len(items)}
    return page | ({"next_page_token": str(start + size)} if items[start + size :] else {})


def _upload(kfp: FakeKfp, query: Item, body: bytes, kind_of_body: str) -> Item:
    message = BytesParser().parsebytes(f"Content-Type: {kind_of_body}\r\n\r\n".encode() + body)
    (part,) = (one for one in message.walk() if not one.is_multipart())
    pipeline = part.get_payload(decode=True)
    assert isinstance(pipeline, bytes)
    documents = list(yaml.safe_load_all(pipeline))
    spec = documents[0] if len(documents) == 1 else {"pipeline_spec": documents[0], "platform_spec": documents[1]}
    if "root" not in documents[0]:
        raise _Refused(400, "Invalid input error: unknown template format")
    pipeline_id = query["pipelineid"]
    if not kfp.find("pipelines", pipeline_id):
        raise _Refused(404, f"ResourceNotFoundError: Pipeline {pipeline_id} not found")
    if any(it["pipeline_id"] == pipeline_id and it["name"] == query["name"] for it in kfp["versions"]):
        raise _Refused(409, "AlreadyExistsError: the version exists")
    told = {"name": query["name"], "display_name": query["display_name"], "tags": json.loads(query.get("tags", "{}"))}
    if any("." in tag for tag in told["tags"]):
        raise _Refused(400, "tag key must not contain '.' character")
    return kfp.add("versions", {"pipeline_id": pipeline_id, "pipeline_spec": spec, **told})


def _text(time: datetime) -> str:
    return re.sub(r"\+00:00$", "Z", time.isoformat())
