"""The one door to the KFP API: where it is, who asks, and what is said when it does not answer.

The generated client `kfp_server_api` is used as it is, not `kfp.Client` over it: that one takes a second of CPU to
import, tries for 25 s to reach an API that is down, and writes into the home directory of whoever asks.

Who asks is told by the environment, or by a file that Kubernetes mounts, never by a profile:

    KF_PIPELINES_ENDPOINT      address of the API, in place of the profile's (a port-forward's, say)
    REWATCH_KFP_TOKEN          a bearer token
    KF_PIPELINES_SA_TOKEN_PATH a file with one, read again for each request; by default where KFP's pods have it
    REWATCH_KFP_COOKIE         a session's cookie, such as authservice_session=…
    SSL_CERT_FILE              certificates to trust
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.errors import ApiAway, InputError, RewatchError

if TYPE_CHECKING:
    from pipelines.launch.settings import LaunchSettings

MOUNTED_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"
CONNECT_S, READ_S = 5.0, 60.0
PAGE = 100
LOGIN = "Set REWATCH_KFP_TOKEN or REWATCH_KFP_COOKIE to a valid login."


class KfpApi:
    """A KFP API that answered.

    Args:
        address: such as `http://ml-pipeline.kubeflow:8888`.
        namespace: whose runs are meant, where KFP serves several users; else it is not asked for.

    Raises:
        InputError: there is no KFP at the address, or it refuses the login.
    """

    def __init__(self, address: str, namespace: str = "") -> None:
        import kfp_server_api as kfp

        self.address = address.rstrip("/")
        client = kfp.ApiClient(_configuration(self.address), cookie=os.environ.get("REWATCH_KFP_COOKIE"))
        self.runs, self.schedules = kfp.RunServiceApi(client), kfp.RecurringRunServiceApi(client)
        self.pipelines, self.uploads = kfp.PipelineServiceApi(client), kfp.PipelineUploadServiceApi(client)
        self.experiments = kfp.ExperimentServiceApi(client)
        health = self.ask(kfp.HealthzServiceApi(client).healthz_service_get_healthz)
        if health is None or health.multi_user is None:
            raise InputError(f"What answers at {self.address} is no KFP API.", _where("launch.host"))
        self.namespace = namespace if health.multi_user else ""
        if health.multi_user and not namespace:
            raise InputError(f"The KFP at {self.address} serves several users.", "Set launch.namespace.")

    @classmethod
    def of(cls, launch: LaunchSettings) -> KfpApi:
        """The API that the environment or the profile names.

        Raises:
            InputError: neither does, or it does not answer.
        """
        address = os.environ.get("KF_PIPELINES_ENDPOINT") or launch.host
        if not address:
            raise InputError("No KFP API is named.", _where("launch.host"))
        if "://" not in address:
            raise InputError(f"The KFP API's address {address!r} has no scheme.", "Write http://host:port.")
        return cls(address, launch.namespace)

    def ask(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Make one call.

        Raises:
            ApiAway: the API cannot be reached.
        InputError: it refuses the login, or the request.
            RewatchError: it failed.
        """
        from kfp_server_api.exceptions import ApiException, ApiTypeError, ApiValueError
        from urllib3.exceptions import HTTPError

        try:
            return call(*arguments, **named, _request_timeout=(CONNECT_S, READ_S))
        except ApiException as error:
            raise self._refusal(error) from error
        except (HTTPError, OSError) as error:
            reason = str(getattr(error, "reason", None) or error).rpartition(": ")[2]
            raise ApiAway(
                f"The KFP API at {self.address} cannot be reached ({reason}).", _where("launch.host")
            ) from error
        except (ApiTypeError, ApiValueError, ValueError, AttributeError) as error:
            raise InputError(
                f"What answers at {self.address} is no KFP API ({error}).", _where("launch.host")
            ) from error

    def all(self, call: Callable[..., Any], attribute: str, **named: Any) -> Iterator[Any]:
        """Every item of a listing, page by page."""
        token = ""
        while True:
            page = self.ask(call, page_size=PAGE, page_token=token, **named)
            yield from getattr(page, attribute) or ()
            token = page.next_page_token or ""
            if not token:
                return

    def named(self, call: Callable[..., Any], attribute: str, name: str) -> Iterator[Any]:
        """Every item of a listing that bears a name, of the namespace where there are several."""
        return self.all(call, attribute, filter=_named(name), **self._of_namespace())

    def experiment(self, name: str, create: bool = True) -> str:
        """The id of an experiment, made if it is missing; "" where it is and should not be."""
        import kfp_server_api as kfp

        for found in self.named(self.experiments.experiment_service_list_experiments, "experiments", name):
            return str(found.experiment_id)
        if not create:
            return ""
        wanted = kfp.V2beta1Experiment(display_name=name, namespace=self.namespace or None)
        made = self.ask(self.experiments.experiment_service_create_experiment, experiment=wanted)
        return str(made.experiment_id)

    def run(self, run_id: str) -> Any:
        """One run, with the state of its nodes.

        Raises:
            InputError: there is none of that id.
        """
        return self.ask(self.runs.run_service_get_run, run_id)

    def latest_runs(self, experiment: str, name: str = "", count: int = 20) -> list[Any]:
        """The newest runs of an experiment, newest first; those of one name where one is given."""
        if not (experiment_id := self.experiment(experiment, create=False)):
            return []
        page = self.ask(
            self.runs.run_service_list_runs,
            experiment_id=experiment_id,
            page_size=count,
            sort_by="created_at desc",
            **({"filter": _named(name)} if name else {}),
        )
        return list(page.runs or ())

    def page(self, run_id: str) -> str:
        """Address of a run's page in KFP's UI, where the API is reached through it."""
        return f"{self.address}/#/runs/details/{run_id}"

    def _of_namespace(self) -> dict[str, str]:
        return {"namespace": self.namespace} if self.namespace else {}

    def _refusal(self, error: Any) -> RewatchError:
        """What an answer that is no success means to a person."""
        said = _said(error)
        if error.status in (401, 403):
            return InputError(f"The KFP API at {self.address} refuses the login ({error.status}): {said}.", LOGIN)
        if error.status == 404:
            return InputError(f"The KFP API at {self.address} knows no such thing: {said}.", "Check the id.")
        if error.status in (400, 409):
            return InputError(
                f"The KFP API at {self.address} refuses the request: {said}.", "Correct it and try again."
            )
        return RewatchError(
            f"The KFP API at {self.address} failed ({error.status}): {said}.", "Look at the log of ml-pipeline."
        )


def _configuration(address: str) -> Any:
    """How to ask: the address, the token and what certificates to trust."""
    from kfp_server_api import Configuration

    configuration = Configuration(host=address)
    configuration.ssl_ca_cert = os.environ.get("SSL_CERT_FILE") or configuration.ssl_ca_cert
    configuration.retries = 1
    path = Path(os.environ.get("KF_PIPELINES_SA_TOKEN_PATH") or MOUNTED_TOKEN)
    if token := os.environ.get("REWATCH_KFP_TOKEN", "").strip():
        configuration.api_key = {"authorization": token}
    elif path.is_file():

        def read_again(asked: Any) -> None:
            asked.api_key["authorization"] = path.read_text().strip()

        configuration.refresh_api_key_hook = read_again
        read_again(configuration)
    configuration.api_key_prefix = {"authorization": "Bearer"}
    return configuration


def _named(name: str) -> str:
    """A filter of KFP's: what bears this name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _said(error: Any) -> str:
    """The API's own words, without their stack, on one line."""
    try:
        body = json.loads(error.body)
        words = str(body.get("error_message") or body.get("message") or body.get("error") or body)
    except (ValueError, TypeError, AttributeError):
        words = str(error.reason or error.body or "no reason given")
    return " ".join(words.split())[:300].rstrip(".")


def _where(setting: str) -> str:
    return (
        f"Set {setting} or KF_PIPELINES_ENDPOINT; from outside `kubectl -n kubeflow port-forward svc/ml-pipeline 8888` "
        "and KF_PIPELINES_ENDPOINT=http://127.0.0.1:8888."
    )
