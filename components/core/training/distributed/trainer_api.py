"""What is asked of Kubernetes for a training on several nodes: TrainJobs by name, their pods, and what those say.

By the `kubernetes` client, which KFP brings into every image, and not by Kubeflow's own SDK: that one makes an error
without a status of every refusal, so "there is one of that name" and "you may not" look the same, knows no owner, and
does not wait until what it deleted is gone; all three are needed to find a training again.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from components.core.errors import ApiAway, InputError
from components.core.training.distributed.trainjob import NAME_LABEL, NODE, Object, number_of

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
PATIENCE_S = 300.0
"""For how long an API server that does not answer is asked again: a training does not end because it restarts."""
PAUSE_S = 2.0
TIMEOUT_S = 30.0
SILENCE_S = 300.0
"""After which a log that says nothing is asked for anew, in case its connection is dead."""
OVERLAP_S = 30
"""By how much a log is read again after a break; lines that were told are known by their time."""
STARTED = ("Running", "Succeeded", "Failed")
REFUSED, GONE, TAKEN = (400, 401, 403, 422), 404, 409

Answer = TypeVar("Answer")


class TrainerApi:
    """TrainJobs of this pod's namespace.

    Raises:
        InputError: there is no Kubernetes API to ask.
    """

    def __init__(self) -> None:
        from kubernetes import client, config

        try:
            config.load_config()
        except (config.ConfigException, TypeError) as error:
            raise InputError(
                f"distributed.nodes is above 1, and there is no Kubernetes here to ask for them ({error}).",
                "Run it on a cluster, or set distributed.nodes to 1.",
            ) from error
        self.namespace = _namespace()
        self._trainjobs, self._pods = client.CustomObjectsApi(), client.CoreV1Api()
        self._plain = client.ApiClient().sanitize_for_serialization

    def create(self, trainjob: Object) -> bool:
        """Make a TrainJob; False where there is one of that name.

        Raises:
            InputError: it is refused, or nobody here knows what a TrainJob is.
        """
        made = self._ask(
            lambda: self._trainjobs.create_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, trainjob, _request_timeout=TIMEOUT_S
            ),
            accepted={TAKEN: None},
        )
        return made is not None

    def get(self, name: str) -> Object | None:
        """A TrainJob; None where there is none of that name."""
        found: Object | None = self._ask(
            lambda: self._trainjobs.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name, _request_timeout=TIMEOUT_S
            ),
            accepted={GONE: None},
        )
        return found

    def delete(self, name: str) -> None:
        """Have a TrainJob removed, whose pods end after it; it may be gone already.

        Not in the foreground, pods first: a TrainJob that waits for its pods to end is still one to Kubeflow Trainer
        2.3, which starts them anew. A busy one may do so even in the background, for some seconds.
        """
        self._ask(
            lambda: self._trainjobs.delete_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name,
                propagation_policy="Background", _request_timeout=TIMEOUT_S,
            ),
            accepted={GONE: None},
        )  # fmt: skip

    def pods(self, name: str) -> list[Object]:
        """The pods of a training."""
        found = self._ask(
            lambda: self._pods.list_namespaced_pod(
                self.namespace, label_selector=f"{NAME_LABEL}={name}", _request_timeout=TIMEOUT_S
            ),
            accepted={},
        )
        return [self._plain(pod) for pod in found.items]

    def owner(self) -> Object | None:
        """What owns the pod that this process is in, as an owner's reference; None outside of a pod.

        KFP tells the pod's name: a host's has 63 characters at most, and names of KFP's pods may be longer.
        """
        pod = os.environ.get("KFP_POD_NAME") or socket.gethostname()
        found = self._ask(
            lambda: self._pods.read_namespaced_pod(pod, self.namespace, _request_timeout=TIMEOUT_S),
            accepted={GONE: None, 403: None},
        )
        owners = self._plain(found)["metadata"].get("ownerReferences", []) if found else []
        return {key: owners[0][key] for key in ("apiVersion", "kind", "name", "uid")} if owners else None

    def read_log(self, pod: str, since_s: int | None) -> Any:
        """The lines of a pod, each with its time before it, for as long as it runs: a response of urllib3."""
        further = {} if since_s is None else {"since_seconds": max(1, since_s)}
        return self._pods.read_namespaced_pod_log(
            pod, self.namespace, container=NODE, follow=True, timestamps=True,
            _preload_content=False, _request_timeout=(TIMEOUT_S, SILENCE_S), **further,
        )  # fmt: skip

    def _ask(self, question: Callable[[], Answer], accepted: Mapping[int, Any]) -> Any:
        """An answer, asked for with patience; what is `accepted` of refusals, by status, answers too."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        ends = time.monotonic() + PATIENCE_S
        while True:
            try:
                return question()
            except ApiException as error:
                if error.status in accepted:
                    return accepted[error.status]
                if error.status == GONE:
                    raise InputError(
                        "The cluster does not know TrainJobs.",
                        "Install Kubeflow Trainer and manifests/components/trainer, or set distributed.nodes to 1.",
                    ) from error
                if error.status in REFUSED:
                    raise InputError(
                        f"Kubernetes refused what a training on several nodes asks of it: {error.body or error.reason}",
                        "Apply manifests/components/trainer; see platform.trainer and the pool of the training.",
                    ) from error
                problem: Exception = error
            except (HTTPError, OSError) as error:
                problem = error
            if time.monotonic() > ends:
                raise ApiAway(f"Kubernetes does not answer ({problem}).", "Run again when it does.") from problem
            time.sleep(PAUSE_S)


class Listener:
    """Hands on what the pods of a training say, each in a thread of its own: `node 1: …`."""

    def __init__(self, api: TrainerApi, log: logging.Logger, since_s: int | None) -> None:
        self._api, self._log, self._since_s = api, log, since_s
        self._threads: dict[str, threading.Thread] = {}

    def hear(self, pods: list[Object]) -> None:
        """Listen to those that have started, whoever is not listened to yet."""
        for pod in pods:
            uid = pod["metadata"]["uid"]
            if uid not in self._threads and pod.get("status", {}).get("phase") in STARTED:
                thread = threading.Thread(target=self._follow, args=(pod,), daemon=True)
                self._threads[uid] = thread
                thread.start()

    def close(self, within_s: float = 10.0) -> None:
        """Hear the last words of pods that have ended."""
        ends = time.monotonic() + within_s
        for thread in self._threads.values():
            thread.join(max(0.0, ends - time.monotonic()))

    def _follow(self, pod: Object) -> None:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        name, last, since_s = pod["metadata"]["name"], "", self._since_s
        while True:
            began = time.monotonic()
            try:
                for line in _lines(self._api.read_log(name, since_s)):
                    said_at, _, text = line.partition(" ")
                    if said_at > last:
                        last = said_at
                        self._log.info("node %d: %s", number_of(pod), text)
                return
            except ApiException as error:
                if error.status == GONE:
                    return
            except (HTTPError, OSError):
                pass
            time.sleep(PAUSE_S)
            since_s = int(time.monotonic() - began) + OVERLAP_S if last else since_s


def _lines(response: Any) -> Iterator[str]:
    """The whole lines of a streamed response."""
    rest = b""
    for part in response.stream(amt=None):
        *whole, rest = (rest + part).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")


def _namespace() -> str:
    """The namespace that was configured: of the service account within a pod, of the context elsewhere."""
    from pathlib import Path

    from kubernetes import config

    told = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    if told.is_file():
        return told.read_text().strip()
    _, active = config.list_kube_config_contexts()
    return str(active["context"].get("namespace", "default"))
