"""A server on loopback that speaks as much of the Kubernetes API as a training on several nodes asks for.

It plays Kubernetes and Kubeflow Trainer: a TrainJob that is created gets its pods, each a real process of this machine
that runs the TrainJob's own command with its own variables, PET_* among them; its log is the process's output.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.manifests.strictness import faults

NAMESPACE = "runs"
TASK_POD = "rewatch-vd2ft-metadata-0-1-retry-system-container-impl-636303917"
"""That of the task: longer than a host's name may be."""
TRAINJOBS = f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/trainjobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class Node:
    """A pod of a TrainJob: a process, and what Kubernetes would say of it."""

    def __init__(self, trainjob: Mapping[str, Any], number: int, port: int, folder: Path) -> None:
        name, trainer = trainjob["metadata"]["name"], trainjob["spec"]["trainer"]
        self.name, self.number, self.labels = f"{name}-node-0-{number}", number, trainjob["metadata"]["labels"]
        disk = folder / f"{self.name}-{port}"
        disk.mkdir(parents=True)
        self.log = disk / "log"
        torch = {
            "PET_NNODES": str(trainer["numNodes"]),
            "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
            "PET_NODE_RANK": str(number),
            "PET_MASTER_ADDR": "127.0.0.1",
            "PET_MASTER_PORT": str(port),
        }
        told = {item["name"]: item["value"] for item in trainer["env"] if "value" in item}
        python, *command = trainer["command"]
        assert python == "python3"
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **told, **torch, "REWATCH_SCRATCH": str(disk / "scratch"), "GLOO_SOCKET_IFNAME": "lo"},
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def phase(self) -> str:
        """As Kubernetes tells it."""
        return {None: "Running", 0: "Succeeded"}.get(self.process.poll(), "Failed")

    def as_json(self) -> dict[str, Any]:
        """The pod."""
        labels = {**self.labels, "batch.kubernetes.io/job-completion-index": str(self.number)}
        return {
            "metadata": {"name": self.name, "uid": f"{self.name}-{self.process.pid}", "labels": labels},
            "status": {"phase": self.phase()},
        }


class Cluster:
    """What the server knows. Tests read it, and play the controller's part where they want another end."""

    def __init__(self, folder: Path, *, runs: bool) -> None:
        self.folder, self.runs = folder, runs
        self.trainjobs: dict[str, dict[str, Any]] = {}
        self.nodes: dict[str, list[Node]] = {}
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.refuses = 0
        """Status with which the next request is answered."""

    def create(self, trainjob: dict[str, Any]) -> int:
        """What the API server and the controller do."""
        name = trainjob["metadata"]["name"]
        if name in self.trainjobs:
            return 409
        assert list(faults([trainjob])) == []
        self.trainjobs[name] = trainjob
        self.created.append(trainjob)
        port = free_port()
        count = trainjob["spec"]["trainer"]["numNodes"] if self.runs else 0
        self.nodes[name] = [Node(trainjob, number, port, self.folder) for number in range(count)]
        return 201

    def get(self, name: str) -> dict[str, Any] | None:
        """A TrainJob, with the status that follows from its pods: one that failed fails all, and ends the others."""
        trainjob = self.trainjobs.get(name)
        if trainjob is None:
            return None
        phases = [node.phase() for node in self.nodes[name]]
        if "Failed" in phases:
            self.conclude(name, "Failed")
            stop(self.nodes[name])
        elif phases and set(phases) == {"Succeeded"}:
            self.conclude(name, "Complete")
        return trainjob

    def pods(self, name: str) -> list[dict[str, Any]]:
        """The pods of a TrainJob; once that is deleted those that have not ended."""
        nodes = self.nodes.get(name, [])
        return [node.as_json() for node in nodes if name in self.trainjobs or node.phase() == "Running"]

    def conclude(self, name: str, condition: str, reason: str = "AsTheJobsWent") -> None:
        """Set the condition that ends a TrainJob."""
        told = {"type": condition, "status": "True", "reason": reason, "message": "told by Kubernetes"}
        self.trainjobs[name]["status"] = {"conditions": [told]}

    def delete(self, name: str) -> int:
        """Remove a TrainJob; its pods are asked to end."""
        if self.trainjobs.pop(name, None) is None:
            return 404
        self.deleted.append(name)
        stop(self.nodes[name])
        return 200


def stop(nodes: list[Node]) -> None:
    """What a kubelet does with pods that are to end."""
    for node in nodes:
        if node.process.poll() is None:
            node.process.send_signal(signal.SIGTERM)


def free_port() -> int:
    """One of the kernel's choice."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def kubernetes(folder: Path, *, runs: bool = True) -> Iterator[tuple[Cluster, Path]]:
    """A cluster, and the kubeconfig by which it is reached.

    Args:
        runs: whether pods are started; without, TrainJobs wait for what the test says.
    """
    cluster = Cluster(folder / "nodes", runs=runs)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"cluster": cluster}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    context = {"name": "here", "context": {"cluster": "here", "user": "me", "namespace": NAMESPACE}}
    written = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [context],
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "users": [{"name": "me", "user": {"token": "none"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(written))
    try:
        yield cluster, path
    finally:
        for nodes in cluster.nodes.values():
            for node in nodes:
                if node.process.poll() is None:
                    os.killpg(node.process.pid, signal.SIGKILL)
                node.process.wait()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if self._refused():
            return
        if address.path.startswith(f"{TRAINJOBS}/"):
            found = self.cluster.get(address.path.rpartition("/")[2])
            self._answer(200 if found else 404, found or {})
        elif address.path == PODS:
            name = parse_qs(address.query)["labelSelector"][0].partition("=")[2]
            pods = self.cluster.pods(name)
            self._answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})
        elif address.path.endswith("/log"):
            self._stream(address.path.split("/")[-2])
        elif address.path != f"{PODS}/{TASK_POD}":
            self._answer(404, {})
        else:
            owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "run", "uid": "u1"}
            self._answer(200, {"metadata": {"name": "own", "ownerReferences": [owner]}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._refused():
            self._answer(self.cluster.create(body), body)

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        # in the foreground Kubeflow Trainer would start its pods anew
        assert parse_qs(address.query)["propagationPolicy"] == ["Background"]
        if not self._refused():
            self._answer(self.cluster.delete(address.path.rpartition("/")[2]), {})

    def _refused(self) -> bool:
        status, self.cluster.refuses = self.cluster.refuses, 0
        if status:
            self._answer(status, {"message": "as the test wants it"})
        return bool(status)

    def _stream(self, pod: str) -> None:
        """The pod's lines with their times, until its process has ended."""
        node = next(it for nodes in self.cluster.nodes.values() for it in nodes if it.name == pod)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        number, ended = 0, False
        with node.log.open("rb") as log:
            while not ended:
                ended = node.process.poll() is not None
                for line in log:
                    number += 1
                    text = b"2026-11-22T01:00:%012.9fZ " % (number / 1e6) + line
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
                time.sleep(0.05)
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
