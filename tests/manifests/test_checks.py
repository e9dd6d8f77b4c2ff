"""Each check of the manifests is shown failing on a broken copy, and passing on what is here."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.manifests.__main__ import checks_of, faults
from tests.manifests.objects import title
from tests.manifests.render import GOLDEN, MANIFESTS, Object, golden, overlays, parse, renderer, sources_digest

Break = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[Object]]:
    return {name: parse((GOLDEN / f"{name}.yaml").read_text()) for name in overlays()}


def container(item: Object) -> Any:
    return item["spec"]["template"]["spec"]["containers"][0]


def pod(item: Object) -> Any:
    return item["spec"]["template"]["spec"]


BROKEN: list[tuple[str, str, str, Break, str]] = [
    # overlay, object, check, what is broken, what must be said
    ("dev", "Deployment rewatch/mlflow", "schemas", lambda o: o["spec"].update(replica=2), "'replica' was unexpected"),
    ("dev", "Service rewatch/mlflow", "schemas", lambda o: o["spec"]["ports"][0].update(port="5000"), "not of type"),
    ("dev", "Job rewatch/make-bucket", "schemas", lambda o: o["spec"].pop("template"), "'template' is a required"),
    ("dev", "Service rewatch/teacher", "schemas", lambda o: o["metadata"].update(name="mlflow"), "there are two"),
    ("dev", "Namespace rewatch", "schemas", lambda o: o.update(kind="Namespaces"), "no schema for"),
    ("dev", "Namespace rewatch", "references", lambda o: o["metadata"].update(name="other"), "no namespace rewatch"),
    (
        "dev",
        "Service rewatch/mlflow",
        "references",
        lambda o: o["spec"]["selector"].update({"app.kubernetes.io/name": "mlfow"}),
        "its selector takes no pod",
    ),
    (
        "dev",
        "Service rewatch/mlflow",
        "references",
        lambda o: o["spec"]["ports"][0].update(targetPort="web"),
        "Deployment rewatch/mlflow has no port web",
    ),
    (
        "dev",
        "Deployment rewatch/teacher",
        "references",
        lambda o: o["spec"]["selector"]["matchLabels"].update(tier="x"),
        "does not take its own pods",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "references",
        lambda o: container(o)["env"][0]["valueFrom"]["secretKeyRef"].update(key="user"),
        "the Secret rewatch/postgres has no key user",
    ),
    (
        "dev",
        "Secret rewatch/postgres",
        "references",
        lambda o: o["metadata"].update(name="postgresql"),
        "there is no Secret rewatch/postgres",
    ),
    (
        "dev",
        "ConfigMap rewatch/mlflow",
        "references",
        lambda o: o["data"].pop("MLFLOW_S3_ENDPOINT_URL"),
        "has no key MLFLOW_S3_ENDPOINT_URL",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "references",
        lambda o: container(o)["volumeMounts"][0].update(name="scratch"),
        "there is no volume scratch",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "references",
        lambda o: container(o)["livenessProbe"]["httpGet"].update(port=5001),
        "livenessProbe asks port 5001",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "references",
        lambda o: pod(o).update(priorityClassName="rewatch-serving-first"),
        "there is no PriorityClass",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "references",
        lambda o: pod(o).update(serviceAccountName="mlflov"),
        "there is no service account mlflov",
    ),
    (
        "dev",
        "StatefulSet rewatch/postgres",
        "references",
        lambda o: o["spec"].update(serviceName="pg"),
        "there is no Service pg",
    ),
    (
        "dev",
        "NetworkPolicy kubeflow/runs",
        "references",
        lambda o: (
            o["spec"]["podSelector"]["matchLabels"].clear() or o["spec"]["podSelector"].update(matchLabels={"a": "b"})
        ),
        "its selector takes no pod",
    ),
    (
        "dev",
        "NetworkPolicy kubeflow/runs",
        "network",
        lambda o: o["spec"]["egress"][3]["ports"][0].update(port=9000),
        "a run's pod cannot reach KFP's SeaweedFS on 8333",
    ),
    (
        "dev",
        "NetworkPolicy kubeflow/runs",
        "network",
        lambda o: o["spec"]["egress"].pop(),
        "cannot reach the Kubernetes API on 6443",
    ),
    (
        "dev",
        "NetworkPolicy kubeflow/runs",
        "network",
        lambda o: o["spec"]["egress"].append({}),
        "a run's pod can reach KFP's MySQL on 3306, which it should not",
    ),
    (
        "dev",
        "NetworkPolicy kubeflow/runs",
        "network",
        lambda o: o["spec"].update(policyTypes=["Egress"]),
        "a pod of another namespace can reach a run's pod",
    ),
    (
        "dev",
        "NetworkPolicy rewatch/mlflow",
        "network",
        lambda o: o["spec"]["ingress"][0]["from"].pop(1),
        "KFP's API server cannot reach Deployment rewatch/mlflow on 5000",
    ),
    (
        "dev",
        "NetworkPolicy rewatch/mlflow",
        "network",
        lambda o: o["spec"]["ingress"][0].pop("from"),
        "a pod of another namespace can reach Deployment rewatch/mlflow on 5000",
    ),
    (
        "dev",
        "NetworkPolicy kubeflow/seaweedfs-from-rewatch",
        "network",
        lambda o: o["spec"].update(ingress=[]),
        "Deployment rewatch/mlflow cannot reach KFP's SeaweedFS on 8333",
    ),
    (
        "dev",
        "NetworkPolicy rewatch/names",
        "network",
        lambda o: o["spec"]["egress"][0]["ports"].pop(0),
        "cannot reach the cluster's DNS on 53",
    ),
    (
        "dev",
        "NetworkPolicy rewatch/default-deny",
        "network",
        lambda o: o["spec"].update(policyTypes=["Ingress"]),
        "no policy denies egress by default",
    ),
    ("dev", "Deployment rewatch/mlflow", "policy", lambda o: pod(o).pop("securityContext"), "must run as a user"),
    ("dev", "Deployment rewatch/mlflow", "policy", lambda o: pod(o).update(hostNetwork=True), "hostNetwork"),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: pod(o)["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        "a folder of the node",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: pod(o)["volumes"][0].update(emptyDir={}),
        "may fill the node",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: pod(o).pop("automountServiceAccountToken"),
        "a token of the Kubernetes API",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: pod(o).pop("serviceAccountName"),
        "under the default service account",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: pod(o)["securityContext"].pop("seccompProfile"),
        "no seccomp profile",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: pod(o)["initContainers"][0].pop("securityContext"),
        "container migrate: it may escalate",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: container(o)["securityContext"].update(privileged=True),
        "it is privileged",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: container(o)["securityContext"].pop("readOnlyRootFilesystem"),
        "root file system can be written",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: container(o)["securityContext"].update(capabilities={"drop": ["NET_RAW"]}),
        "keeps capabilities",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: container(o)["securityContext"].update(runAsUser=0),
        "runs as root",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: container(o)["resources"]["limits"].pop("memory"),
        "no limits of memory",
    ),
    ("dev", "Deployment rewatch/mlflow", "policy", lambda o: container(o).pop("readinessProbe"), "no readinessProbe"),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: container(o).update(image="docker.io/rewatch/mlflow:latest"),
        "may change under its name",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: container(o)["env"].append({"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}),
        "is written down",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "policy",
        lambda o: o["spec"].update(replicas=2),
        "2 replicas and no PodDisruptionBudget",
    ),
    (
        "dev",
        "Namespace rewatch",
        "policy",
        lambda o: o["metadata"]["labels"].update({"pod-security.kubernetes.io/enforce": "baseline"}),
        "does not enforce restricted",
    ),
    (
        "dev",
        "Secret rewatch/postgres",
        "policy",
        lambda o: o["data"].update(password="aHVudGVyMg=="),
        "looks like a real secret",
    ),
    (
        "dev",
        "ConfigMap rewatch/mlflow",
        "policy",
        lambda o: o["data"].update(AWS_SECRET_ACCESS_KEY="x"),
        "belongs in a Secret",
    ),
    (
        "dev",
        "Deployment rewatch/mlflow",
        "place",
        lambda o: o["metadata"].update(namespace="kubeflow"),
        "belongs in our own namespace",
    ),
]


def test_nothing_is_wrong_with_what_is_here(rendered: dict[str, list[Object]]) -> None:
    for overlay, objects in rendered.items():
        assert faults(overlay, objects) == []


@pytest.mark.parametrize(
    "case", BROKEN, ids=[f"{case[2]}-{case[1].split('/')[-1]}-{i}" for i, case in enumerate(BROKEN)]
)
def test_a_broken_copy_is_caught(case: tuple[str, str, str, Break, str], rendered: dict[str, list[Object]]) -> None:
    overlay, name, check, damage, said = case
    objects = copy.deepcopy(rendered[overlay])
    damage(next(item for item in objects if title(item) == name))
    found = list(checks_of(overlay)[check](objects))
    assert any(said in fault for fault in found), found


def test_the_golden_copies_are_of_these_sources(rendered: dict[str, list[Object]]) -> None:
    remedy = "python -m tests.manifests.render"
    for overlay in rendered:
        first = (GOLDEN / f"{overlay}.yaml").read_text().partition("\n")[0]
        assert first == f"# sources {sources_digest()}", remedy


@pytest.mark.skipif(renderer() is None, reason="needs kustomize or kubectl")
@pytest.mark.parametrize("overlay", overlays())
def test_an_overlay_renders_to_its_golden_copy(overlay: str) -> None:
    assert golden(overlay) == (GOLDEN / f"{overlay}.yaml").read_text(), "python -m tests.manifests.render"


def test_no_overlay_fetches_anything() -> None:
    for path in MANIFESTS.rglob("kustomization.yaml"):
        if "kubeflow-pipelines" not in path.parts:
            assert "://" not in path.read_text(), path
