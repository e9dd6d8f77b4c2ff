"""Overlay and profile that speak of different things are caught, and images of other code."""

from __future__ import annotations

import pytest

from tests.manifests import agreement
from tests.manifests.broken import Broken
from tests.manifests.render import Object

BROKEN = [
    Broken(
        "dev",
        "Service rewatch/teacher",
        lambda o: o["spec"]["ports"][0].update(port=80),
        "endpoints.builtin: nothing answers at http://teacher.rewatch:8000/v1",
    ),
    Broken(
        "dev",
        "Secret kubeflow/rewatch-keys",
        lambda o: o["data"].pop("AWS_SECRET_ACCESS_KEY"),
        "has no AWS_SECRET_ACCESS_KEY",
    ),
    Broken(
        "prod",
        "ExternalSecret kubeflow/rewatch-keys",
        lambda o: o["spec"]["target"].update(name="keys"),
        "there is no Secret kubeflow/rewatch-keys",
    ),
    Broken(
        "prod",
        "PriorityClass rewatch-training",
        lambda o: o["metadata"].update(name="training"),
        "pool training: there is no PriorityClass rewatch-training",
    ),
    Broken(
        "prod",
        "Service rewatch/teacher-probe",
        lambda o: o["metadata"].update(name="probe"),
        "endpoints.probe: nothing answers",
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.where)
def test_an_overlay_that_its_profile_does_not_mean_is_caught(case: Broken, rendered: dict[str, list[Object]]) -> None:
    assert case.said in case.faults("profile", rendered)


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
