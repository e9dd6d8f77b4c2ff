"""A field, type or kind that Kubernetes would refuse or drop without a word is caught."""

from __future__ import annotations

import pytest

from tests.manifests.broken import Broken
from tests.manifests.render import Object

BROKEN = [
    Broken("dev", "Deployment rewatch/mlflow", lambda o: o["spec"].update(replica=2), "'replica' was unexpected"),
    Broken("dev", "Service rewatch/mlflow", lambda o: o["spec"]["ports"][0].update(port="5000"), "not of type"),
    Broken("dev", "Job rewatch/make-bucket", lambda o: o["spec"].pop("template"), "'template' is a required"),
    Broken("dev", "Service rewatch/teacher", lambda o: o["metadata"].update(name="mlflow"), "there are two"),
    Broken("dev", "Namespace rewatch", lambda o: o.update(kind="Namespaces"), "no schema for"),
    Broken(
        "prod",
        "ExternalSecret rewatch/postgres",
        lambda o: o["spec"].update(secretStore={"name": "rewatch"}),
        "'secretStore' was unexpected",
    ),
    Broken(
        "prod",
        "ServiceMonitor rewatch/teachers",
        lambda o: o["spec"]["endpoints"][0].update(intervall="15s"),
        "'intervall' was unexpected",
    ),
    Broken(
        "prod",
        "PodDisruptionBudget rewatch/mlflow",
        lambda o: o["spec"].update(minAvailabel=1),
        "'minAvailabel' was unexpected",
    ),
    Broken(
        "everything",
        "ScaledObject rewatch/teacher-text",
        lambda o: o["spec"].update(minReplicas=0),
        "'minReplicas' was unexpected",
    ),
    Broken(
        "everything",
        "Sensor rewatch/new-video",
        lambda o: o["spec"]["triggers"][0]["template"]["k8s"]["source"]["resource"]["spec"].update(backoff=1),
        "Job rewatch/trigger-: spec: Additional properties are not allowed ('backoff' was unexpected)",
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.where)
def test_what_kubernetes_would_refuse_is_caught(case: Broken, rendered: dict[str, list[Object]]) -> None:
    assert case.said in case.faults("schemas", rendered)
