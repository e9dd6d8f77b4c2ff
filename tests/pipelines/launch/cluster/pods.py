"""Executes a compiled cluster pipeline task by task, each as in a pod of its own.

kfp.local goes through the compiled pipeline; what it would start as a subprocess of its own is started here with
exactly the variables that the compiled pipeline gives to the task: those of its container, the keys of the Secret, and
the label of its pod. A pod starts with an empty disk, onto which its input artifacts are brought from the bucket, and
leaves nothing but the artifacts that are taken from it to the bucket when it succeeded.

    python -m tests.pipelines.launch.cluster.pods job.json
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import yaml

from components.core.stores.files import storage_for
from components.core.stores.s3 import S3Storage

BASICS = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
"""All that an image brings along."""


class Cluster:
    """Pods, one at a time, on one disk that is emptied in between.

    Args:
        job: `pipeline` (path of the YAML), `disk`, `bucket`, `secrets` by Secret and key, `labels` of every pod, and
            `killed` (times that a component's pod is killed after it has run for so many seconds, by its name).
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.disk, self.bucket = Path(job["disk"]), str(job["bucket"])
        documents = list(yaml.safe_load_all(Path(job["pipeline"]).read_text()))
        self.platform = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self.artifacts = self.disk / "artifacts"
        self.storage = S3Storage()
        self.turn = threading.Lock()

    def run(self, command: list[str], told: dict[str, str]) -> int:
        """One task in a fresh pod; its exit code."""
        with self.turn:
            said = json.loads(command[command.index("--executor_input") + 1])
            function = command[command.index("--function_to_execute") + 1]
            self._empty_disk()
            for uri in _uris(said["inputs"]):
                self._bring(uri)
            Path(said["outputs"]["outputFile"]).parent.mkdir(parents=True, exist_ok=True)
            environment = {**BASICS, **told, **self._of_pod(f"exec-{function.replace('_', '-')}")}
            environment |= {"HOME": str(self._folder("home")), "TMPDIR": str(self._folder("tmp"))}
            code = subprocess.run(command, env=environment, cwd=self._folder("work"), check=False).returncode
            if code == 0:
                for uri in _uris(said["outputs"]):
                    self._take(uri)
            return code

    def _of_pod(self, executor: str) -> dict[str, str]:
        """The variables that Kubernetes fills in: keys of Secrets, labels of the pod."""
        found = {}
        for secret in self.platform[executor].get("secretAsEnv", []):
            held = self.job["secrets"][secret["secretName"]]
            for key in secret["keyToEnv"]:
                if key["secretKey"] in held or not secret["optional"]:
                    found[key["envVar"]] = held[key["secretKey"]]
        for field in self.platform[executor].get("fieldPathAsEnv", []):
            label = field["fieldPath"].removeprefix("metadata.labels['").removesuffix("']")
            found[field["name"]] = self.job["labels"][label]
        return found

    def _empty_disk(self) -> None:
        for folder in ("home", "tmp", "work", "scratch"):
            shutil.rmtree(self.disk / folder, ignore_errors=True)
        for path in sorted(self.artifacts.rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
            elif path.is_file() and path.name != "executor_output.json":  # which KFP's driver has yet to read
                path.unlink()

    def _folder(self, name: str) -> Path:
        folder = self.disk / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _stored(self, uri: str) -> str:
        return f"{self.bucket}/artifacts/{Path(uri).relative_to(self.artifacts).as_posix()}"

    def _bring(self, uri: str) -> None:
        stored = self._stored(uri)
        for item in storage_for(stored).list(f"{stored}/"):
            path = Path(uri) / item.uri.removeprefix(f"{stored}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.storage.read(item.uri))

    def _take(self, uri: str) -> None:
        for path in Path(uri).rglob("*"):
            if path.is_file():
                self.storage.write(f"{self._stored(uri)}/{path.relative_to(uri).as_posix()}", path.read_bytes())


def _uris(side: dict[str, Any]) -> list[str]:
    """Where the artifacts lie that a task is given, or is to write."""
    return [one["uri"] for given in side.get("artifacts", {}).values() for one in given["artifacts"]]


def main(job_file: str) -> int:
    """Run the job; 0 when every task succeeded."""
    from kfp import components, local
    from kfp.local import status, subprocess_task_handler

    job = json.loads(Path(job_file).read_text())
    cluster = Cluster(job)

    def run(handler: Any) -> Any:
        code = cluster.run(list(handler.full_command), dict(handler.env_vars))
        return status.Status.SUCCESS if code == 0 else status.Status.FAILURE

    subprocess_task_handler.SubprocessTaskHandler.run = run
    logging.getLogger().setLevel(logging.INFO)
    pipeline = components.load_component_from_file(job["pipeline"])
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(cluster.artifacts),
        enable_caching=False,
        raise_on_error=True,
    )
    try:
        pipeline(**job["arguments"])
    except RuntimeError as error:
        print(f"pipeline failed: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    sys.exit(main(sys.argv[1]))
