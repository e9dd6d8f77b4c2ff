from __future__ import annotations

import pytest

from components.core.students.student import Student
from tests.components.training_world import tiny_student


@pytest.fixture(scope="package")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return tiny_student(tmp_path_factory.mktemp("student"))
