"""What names something that is not there is caught."""

from __future__ import annotations

import pytest

from tests.manifests.broken import Broken, container, pod
from tests.manifests.render import Object

BROKEN = [
    Broken("dev", "Namespace rewatch", lambda o: o["metadata"].update(name="other"), "no namespace rewatch"),
    Broken(
        "dev",
        "Service rewatch/mlflow",
        lambda o: o["spec"]["selector"].update({"app.kubernetes.io/name": "mlfow"}),
        "its selector takes no pod",
    ),
    Broken(
        "dev",
        "Service rewatch/mlflow",
        lambda o: o["spec"]["ports"][0].update(targetPort="web"),
        "Deployment rewatch/mlflow has no port web",
    ),
    Broken(
        "dev",
        "Deployment rewatch/teacher",
        lambda o: o["spec"]["selector"]["matchLabels"].update(tier="x"),
        "does not take its own pods",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["env"][0]["valueFrom"]["secretKeyRef"].update(key="user"),
        "the Secret rewatch/postgres has no key user",
    ),
    Broken(
        "dev",
        "Secret rewatch/postgres",
        lambda o: o["metadata"].update(name="postgresql"),
        "there is no Secret rewatch/postgres",
    ),
    Broken(
        "dev",
        "ConfigMap rewatch/mlflow",
        lambda o: o["data"].pop("MLFLOW_S3_ENDPOINT_URL"),
        "has no key MLFLOW_S3_ENDPOINT_URL",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["volumeMounts"][0].update(name="scratch"),
        "there is no volume scratch",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: container(o)["livenessProbe"]["httpGet"].update(port=5001),
        "livenessProbe asks port 5001",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: pod(o).update(priorityClassName="rewatch-serving-first"),
        "there is no PriorityClass",
    ),
    Broken(
        "dev",
        "Deployment rewatch/mlflow",
        lambda o: pod(o).update(serviceAccountName="mlflov"),
        "there is no service account mlflov",
    ),
    Broken(
        "dev", "StatefulSet rewatch/postgres", lambda o: o["spec"].update(serviceName="pg"), "there is no Service pg"
    ),
    Broken(
        "dev",
        "NetworkPolicy kubeflow/runs",
        lambda o: (
            o["spec"]["podSelector"]["matchLabels"].clear() or o["spec"]["podSelector"].update(matchLabels={"a": "b"})
        ),
        "its selector takes no pod",
    ),
    Broken(
        "prod",
        "Deployment rewatch/teacher-vision",
        lambda o: pod(o)["volumes"][0]["persistentVolumeClaim"].update(claimName="teacher"),
        "there is no PersistentVolumeClaim teacher",
    ),
    Broken(
        "prod",
        "ServiceMonitor rewatch/teachers",
        lambda o: o["spec"]["endpoints"][0].update(port="metrics"),
        "Service rewatch/teacher-vision has no port metrics",
    ),
    Broken(
        "prod",
        "PriorityClass rewatch-training",
        lambda o: o["metadata"].update(name="training"),
        "ResourceQuota kubeflow/training: there is no PriorityClass rewatch-training",
    ),
    Broken(
        "prod",
        "ValidatingAdmissionPolicyBinding rewatch-pinned-images",
        lambda o: o["spec"].update(policyName="pinned-images"),
        "there is no ValidatingAdmissionPolicy pinned-images",
    ),
    Broken(
        "prod",
        "MutatingAdmissionPolicyBinding rewatch-priority-data",
        lambda o: o["spec"].update(policyName="priority"),
        "there is no MutatingAdmissionPolicy priority",
    ),
    Broken(
        "everything",
        "ScaledObject rewatch/teacher-text",
        lambda o: o["spec"]["scaleTargetRef"].update(name="teacher"),
        "there is no Deployment teacher",
    ),
    Broken(
        "everything",
        "LocalQueue kubeflow/rewatch",
        lambda o: o["spec"].update(clusterQueue="training"),
        "there is no ClusterQueue training",
    ),
    Broken(
        "everything",
        "ResourceFlavor rewatch-training",
        lambda o: o["metadata"].update(name="training"),
        "ClusterQueue rewatch: there is no ResourceFlavor rewatch-training",
    ),
    Broken(
        "everything",
        "Sensor rewatch/new-video",
        lambda o: o["spec"]["dependencies"][0].update(eventName="new-videos"),
        "nothing sends bucket/new-videos",
    ),
    Broken(
        "everything",
        "Sensor rewatch/new-video",
        lambda o: o["spec"]["triggers"][0]["template"]["k8s"].update(parameters=[{"dest": "spec"}]),
        "fields of an event reach what it starts",
    ),
    Broken(
        "everything",
        "ExternalSecret rewatch/event-trigger",
        lambda o: o["metadata"].update(name="event") or o["spec"]["target"].update(name="event"),
        "its webhook takes whatever comes",
    ),
    Broken(
        "everything",
        "EventBus rewatch/default",
        lambda o: o["metadata"].update(name="bus"),
        "there is no EventBus default",
    ),
    Broken(
        "everything",
        "RoleBinding rewatch/event-sensor",
        lambda o: o["roleRef"].update(name="sensor"),
        "there is no Role sensor",
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.where)
def test_a_name_of_nothing_is_caught(case: Broken, rendered: dict[str, list[Object]]) -> None:
    assert case.said in case.faults("references", rendered)
