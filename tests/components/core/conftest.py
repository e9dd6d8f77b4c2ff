"""What several rooms of core are tested with: students."""

from __future__ import annotations

import pytest

from components.core.students.student import Student
from tests.components.training_world import taught_student, tiny_student, training_data


@pytest.fixture(scope="package")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return tiny_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="package")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Student:
    """A student that has learned to look: what it says depends on the video and on the positions."""
    folder = tmp_path_factory.mktemp("taught")
    return taught_student(folder / "student", training_data(folder, 3))
