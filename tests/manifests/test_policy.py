"""A pod, role or Secret that the policy forbids is caught, and so is what only development may have."""

from __future__ import annotations

import pytest

from tests.manifests import policy
from tests.manifests.broken import Broken, container, pod
from tests.manifests.render import Object

BROKEN = [
    Broken("dev", "Deployment rewatch/mlflow", lambda o: pod(o).pop("securityContext"), "must run as a user"),
    Broken("dev", "Deployment rewatch/mlflow", lambda o: pod(o).update(hostNetwork=True), "hostNetwork"),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: pod(o)["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        "a folder of the node",
    ),
    Broken("dev", "Deployment rewatch/mlflow", lambda o: pod(o)["volumes"][0].update(emptyDir={}), "may fill the node"),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: pod(o).pop("automountServiceAccountToken"),
        "a token of the Kubernetes API",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: pod(o).pop("serviceAccountName"),
        "under the default service account",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: pod(o)["securityContext"].pop("seccompProfile"),
        "no seccomp profile",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: pod(o)["initContainers"][0].pop("securityContext"),
        "container migrate: it may escalate",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["securityContext"].update(privileged=True),
        "it is privileged",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["securityContext"].pop("readOnlyRootFilesystem"),
        "root file system can be written",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["securityContext"].update(capabilities={"drop": ["NET_RAW"]}),
        "keeps capabilities",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["securityContext"].update(runAsUser=0),
        "runs as root",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["resources"]["limits"].pop("memory"),
        "no limits of memory",
    ),
    Broken("dev", "Deployment rewatch/mlflow", lambda o: container(o).pop("readinessProbe"), "no readinessProbe"),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o).update(image="docker.io/rewatch/mlflow:latest"),
        "may change under its name",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["env"].append({"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}),
        "is written down",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: o["spec"].update(replicas=2),
        "2 replicas and no PodDisruptionBudget",
    ),
    Broken(
        "dev",
        "Namespace rewatch",
        lambda o: o["metadata"]["labels"].update({"pod-security.kubernetes.io/enforce": "baseline"}),
        "does not enforce restricted",
    ),
    Broken(
        "dev",
        "Secret rewatch/postgres",
        lambda o: o["data"].update(password="aHVudGVyMg=="),
        "looks like a real secret",
    ),
    Broken(
        "dev", "ConfigMap rewatch/mlflow", lambda o: o["data"].update(AWS_SECRET_ACCESS_KEY="x"), "belongs in a Secret"
    ),
    Broken(
        "prod",
        "PodDisruptionBudget rewatch/mlflow",
        lambda o: o["spec"].update(maxUnavailable=0),
        "lets no node be drained",
    ),
    Broken(
        "prod",
        "Deployment rewatch/teacher-text",
        lambda o: container(o).update(image="ghcr.io/rewatch/rewatch-serving"),
        "may change under its name",
    ),
    Broken(
        "everything",
        "Role rewatch/event-sensor",
        lambda o: o["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}),
        "reads every Secret",
    ),
    Broken("everything", "Role rewatch/event-sensor", lambda o: o["rules"][0].update(verbs=["*"]), "a rule with *"),
    Broken(
        "everything",
        "ClusterRoleBinding rewatch-fake-gpus",
        lambda o: o["metadata"].update(name="admin"),
        "rights in every namespace",
    ),
    Broken(
        "prod",
        "LimitRange kubeflow/runs",
        lambda o: o["spec"]["limits"][0].pop("defaultRequest"),
        "ask for no disk of their node",
    ),
    Broken(
        "prod",
        "LimitRange kubeflow/runs",
        lambda o: o["spec"]["limits"][0].update(default={"ephemeral-storage": "1Gi"}),
        "bounds a task's scratch volume",
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.where)
def test_what_the_policy_forbids_is_caught(case: Broken, rendered: dict[str, list[Object]]) -> None:
    assert case.said in case.faults("policy", rendered)


def test_a_workload_of_ours_among_the_runs_is_caught(rendered: dict[str, list[Object]]) -> None:
    def move(item: Object) -> None:
        item["metadata"]["namespace"] = "kubeflow"

    moved = Broken("dev", "Deployment rewatch/mlflow", move, "belongs in our own namespace")
    assert moved.said in moved.faults("place", rendered)


def test_what_is_for_development_stays_there(rendered: dict[str, list[Object]]) -> None:
    found = list(policy.development_only(rendered["dev"]))
    assert any("Secret rewatch/postgres" in fault for fault in found)
    assert any("PostgreSQL in one pod" in fault for fault in found)
