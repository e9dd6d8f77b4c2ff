"""A connection that a run needs and nobody allows is caught, and one that anybody could make."""

from __future__ import annotations

import pytest

from tests.manifests.broken import Broken
from tests.manifests.render import Object

BROKEN = [
    Broken(
        "dev",
        "NetworkPolicy kubeflow/runs",
        lambda o: o["spec"]["egress"][3]["ports"][0].update(port=9000),
        "a run's pod cannot reach KFP's SeaweedFS on 8333",
    ),
    Broken(
        "dev",
        "NetworkPolicy kubeflow/runs",
        lambda o: o["spec"]["egress"].pop(),
        "cannot reach the Kubernetes API on 6443",
    ),
    Broken(
        "dev",
        "NetworkPolicy kubeflow/runs",
        lambda o: o["spec"]["egress"].append({}),
        "a run's pod can reach KFP's MySQL on 3306, which it should not",
    ),
    Broken(
        "dev",
        "NetworkPolicy kubeflow/runs",
        lambda o: o["spec"].update(policyTypes=["Egress"]),
        "a pod of another namespace can reach a run's pod",
    ),
    Broken(
        "dev",
        "NetworkPolicy rewatch/mlflow",
        lambda o: o["spec"]["ingress"][0]["from"].pop(1),
        "KFP's API server cannot reach Deployment rewatch/mlflow on 5000",
    ),
    Broken(
        "dev",
        "NetworkPolicy rewatch/mlflow",
        lambda o: o["spec"]["ingress"][0].pop("from"),
        "a pod of another namespace can reach Deployment rewatch/mlflow on 5000",
    ),
    Broken(
        "dev",
        "NetworkPolicy kubeflow/seaweedfs-from-rewatch",
        lambda o: o["spec"].update(ingress=[]),
        "Deployment rewatch/mlflow cannot reach KFP's SeaweedFS on 8333",
    ),
    Broken(
        "dev",
        "NetworkPolicy rewatch/names",
        lambda o: o["spec"]["egress"][0]["ports"].pop(0),
        "cannot reach the cluster's DNS on 53",
    ),
    Broken(
        "dev",
        "NetworkPolicy rewatch/default-deny",
        lambda o: o["spec"].update(policyTypes=["Ingress"]),
        "no policy denies egress by default",
    ),
    Broken(
        "prod",
        "NetworkPolicy rewatch/teachers",
        lambda o: o["spec"]["ingress"][0]["from"].pop(),
        "Prometheus cannot reach Deployment rewatch/teacher-",
    ),
    Broken(
        "everything",
        "NetworkPolicy rewatch/event-listener",
        lambda o: o["spec"].update(ingress=[{}]),
        "a pod of another namespace can reach EventSource rewatch/bucket on 12000",
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.where)
def test_a_connection_that_is_missing_or_too_many_is_caught(case: Broken, rendered: dict[str, list[Object]]) -> None:
    assert case.said in case.faults("network", rendered)
