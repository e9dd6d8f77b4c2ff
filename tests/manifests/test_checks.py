"""Each check of the manifests is shown failing on a broken copy, and passing on what is here."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.images import Image, pin
from tests.manifests import agreement, policy
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
    (
        "dev",
        "Service rewatch/teacher",
        "profile",
        lambda o: o["spec"]["ports"][0].update(port=80),
        "endpoints.builtin: nothing answers at http://teacher.rewatch:8000/v1",
    ),
    (
        "dev",
        "Secret kubeflow/rewatch-keys",
        "profile",
        lambda o: o["data"].pop("AWS_SECRET_ACCESS_KEY"),
        "has no AWS_SECRET_ACCESS_KEY",
    ),
    (
        "prod",
        "ExternalSecret kubeflow/rewatch-keys",
        "profile",
        lambda o: o["spec"]["target"].update(name="keys"),
        "there is no Secret kubeflow/rewatch-keys",
    ),
    (
        "prod",
        "PriorityClass rewatch-training",
        "profile",
        lambda o: o["metadata"].update(name="training"),
        "pool training: there is no PriorityClass rewatch-training",
    ),
    (
        "prod",
        "Service rewatch/teacher-probe",
        "profile",
        lambda o: o["metadata"].update(name="probe"),
        "endpoints.probe: nothing answers",
    ),
    (
        "prod",
        "ExternalSecret rewatch/postgres",
        "schemas",
        lambda o: o["spec"].update(secretStore={"name": "rewatch"}),
        "'secretStore' was unexpected",
    ),
    (
        "prod",
        "ServiceMonitor rewatch/teachers",
        "schemas",
        lambda o: o["spec"]["endpoints"][0].update(intervall="15s"),
        "'intervall' was unexpected",
    ),
    (
        "prod",
        "PodDisruptionBudget rewatch/mlflow",
        "schemas",
        lambda o: o["spec"].update(minAvailabel=1),
        "'minAvailabel' was unexpected",
    ),
    (
        "prod",
        "Deployment rewatch/teacher-vision",
        "references",
        lambda o: pod(o)["volumes"][0]["persistentVolumeClaim"].update(claimName="teacher"),
        "there is no PersistentVolumeClaim teacher",
    ),
    (
        "prod",
        "ServiceMonitor rewatch/teachers",
        "references",
        lambda o: o["spec"]["endpoints"][0].update(port="metrics"),
        "Service rewatch/teacher-vision has no port metrics",
    ),
    (
        "prod",
        "PriorityClass rewatch-training",
        "references",
        lambda o: o["metadata"].update(name="training"),
        "ResourceQuota kubeflow/training: there is no PriorityClass rewatch-training",
    ),
    (
        "prod",
        "ValidatingAdmissionPolicyBinding rewatch-pinned-images",
        "references",
        lambda o: o["spec"].update(policyName="pinned-images"),
        "there is no ValidatingAdmissionPolicy pinned-images",
    ),
    (
        "prod",
        "MutatingAdmissionPolicyBinding rewatch-priority-data",
        "references",
        lambda o: o["spec"].update(policyName="priority"),
        "there is no MutatingAdmissionPolicy priority",
    ),
    (
        "prod",
        "NetworkPolicy rewatch/teachers",
        "network",
        lambda o: o["spec"]["ingress"][0]["from"].pop(),
        "Prometheus cannot reach Deployment rewatch/teacher-",
    ),
    (
        "prod",
        "PodDisruptionBudget rewatch/mlflow",
        "policy",
        lambda o: o["spec"].update(maxUnavailable=0),
        "lets no node be drained",
    ),
    (
        "prod",
        "Deployment rewatch/teacher-text",
        "policy",
        lambda o: container(o).update(image="ghcr.io/rewatch/rewatch-serving"),
        "may change under its name",
    ),
    (
        "everything",
        "ScaledObject rewatch/teacher-text",
        "references",
        lambda o: o["spec"]["scaleTargetRef"].update(name="teacher"),
        "there is no Deployment teacher",
    ),
    (
        "everything",
        "ScaledObject rewatch/teacher-text",
        "schemas",
        lambda o: o["spec"].update(minReplicas=0),
        "'minReplicas' was unexpected",
    ),
    (
        "everything",
        "LocalQueue kubeflow/rewatch",
        "references",
        lambda o: o["spec"].update(clusterQueue="training"),
        "there is no ClusterQueue training",
    ),
    (
        "everything",
        "ResourceFlavor rewatch-training",
        "references",
        lambda o: o["metadata"].update(name="training"),
        "ClusterQueue rewatch: there is no ResourceFlavor rewatch-training",
    ),
    (
        "everything",
        "Sensor rewatch/new-video",
        "schemas",
        lambda o: o["spec"]["triggers"][0]["template"]["k8s"]["source"]["resource"]["spec"].update(backoff=1),
        "Job rewatch/trigger-: spec: Additional properties are not allowed ('backoff' was unexpected)",
    ),
    (
        "everything",
        "Sensor rewatch/new-video",
        "references",
        lambda o: o["spec"]["dependencies"][0].update(eventName="new-videos"),
        "nothing sends bucket/new-videos",
    ),
    (
        "everything",
        "Sensor rewatch/new-video",
        "references",
        lambda o: o["spec"]["triggers"][0]["template"]["k8s"].update(parameters=[{"dest": "spec"}]),
        "fields of an event reach what it starts",
    ),
    (
        "everything",
        "ExternalSecret rewatch/event-trigger",
        "references",
        lambda o: o["metadata"].update(name="event") or o["spec"]["target"].update(name="event"),
        "its webhook takes whatever comes",
    ),
    (
        "everything",
        "EventBus rewatch/default",
        "references",
        lambda o: o["metadata"].update(name="bus"),
        "there is no EventBus default",
    ),
    (
        "everything",
        "NetworkPolicy rewatch/event-listener",
        "network",
        lambda o: o["spec"].update(ingress=[{}]),
        "a pod of another namespace can reach EventSource rewatch/bucket on 12000",
    ),
    (
        "everything",
        "Role rewatch/event-sensor",
        "policy",
        lambda o: o["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}),
        "reads every Secret",
    ),
    (
        "everything",
        "Role rewatch/event-sensor",
        "policy",
        lambda o: o["rules"][0].update(verbs=["*"]),
        "a rule with *",
    ),
    (
        "everything",
        "RoleBinding rewatch/event-sensor",
        "references",
        lambda o: o["roleRef"].update(name="sensor"),
        "there is no Role sensor",
    ),
    (
        "everything",
        "ClusterRoleBinding rewatch-fake-gpus",
        "policy",
        lambda o: o["metadata"].update(name="admin"),
        "rights in every namespace",
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


def test_what_is_for_development_stays_there(rendered: dict[str, list[Object]]) -> None:
    found = list(policy.development_only(rendered["dev"]))
    assert any("Secret rewatch/postgres" in fault for fault in found)
    assert any("PostgreSQL in one pod" in fault for fault in found)


def test_an_image_of_other_code_or_of_no_recipe_is_caught(rendered: dict[str, list[Object]]) -> None:
    built = {"rewatch-mlflow:golden", "rewatch-teacher:123"}
    assert list(agreement.image_faults(rendered["dev"], built)) == [
        "Deployment rewatch/teacher, container teacher: image rewatch-teacher:golden is of other code, "
        "this one's is 123; `make push` pins it"
    ]
    assert list(agreement.image_faults(rendered["dev"], built - {"rewatch-teacher:123"})) == [
        "Deployment rewatch/teacher, container teacher: no recipe builds an image rewatch-teacher"
    ]


def test_every_image_of_ours_is_built_by_a_recipe(rendered: dict[str, list[Object]]) -> None:
    names = {image.partition(":")[0] for image in agreement.built_images()}
    for objects in rendered.values():
        assert not list(agreement.image_faults(objects, {f"{name}:golden" for name in names}))


def test_the_golden_copies_are_of_these_sources(rendered: dict[str, list[Object]]) -> None:
    remedy = "python -m tests.manifests.render"
    for overlay in rendered:
        first = (GOLDEN / f"{overlay}.yaml").read_text().partition("\n")[0]
        assert first == f"# sources {sources_digest()}", remedy


@pytest.mark.skipif(renderer() is None, reason="needs kustomize or kubectl")
@pytest.mark.parametrize("overlay", overlays())
def test_an_overlay_renders_to_its_golden_copy(overlay: str) -> None:
    now, then = (
        sorted(parse(text), key=lambda item: (title(item), item["apiVersion"]))
        for text in (golden(overlay), (GOLDEN / f"{overlay}.yaml").read_text())
    )
    assert now == then, "python -m tests.manifests.render"


def test_a_tag_of_digits_alone_is_a_text_once_it_is_pinned(tmp_path: Path) -> None:
    path = tmp_path / "kustomization.yaml"
    path.write_text((MANIFESTS / "images" / "kustomization.yaml").read_text())
    pin([Image("registry/rewatch-teacher:012345678901", "teacher", "teacher")], "registry", path)
    (teacher,) = [image for image in yaml.safe_load(path.read_text())["images"] if image["name"] == "rewatch/teacher"]
    assert teacher["newTag"] == "012345678901"


def test_no_overlay_fetches_anything() -> None:
    for path in MANIFESTS.rglob("kustomization.yaml"):
        if "kubeflow-pipelines" not in path.parts:
            assert "://" not in path.read_text(), path
