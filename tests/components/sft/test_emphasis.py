from __future__ import annotations

import pytest

from components.core.students.prompting import Segment
from components.core.students.student import Student
from components.sft.emphasis import EmphasisSettings, emphasised
from tests.components.training_world import tiny_student

TRACE = "<action>look at 00:03</action><observation>00:03 red cross</observation><answer>red cross</answer>"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return tiny_student(tmp_path_factory.mktemp("student"))


def test_tokens_count_by_the_tag_they_stand_in(student: Student) -> None:
    ids = tuple(student.prompter.encode(TRACE))
    segment = Segment(ids, (True,) * len(ids))
    weighed = emphasised(segment, student.prompter, EmphasisSettings(answer=3.0, action=2.0))
    by_weight = {
        weight: student.tokenizer.decode(
            [token for token, own in zip(ids, weighed.weights, strict=True) if own == weight]
        )
        for weight in (1.0, 2.0, 3.0)
    }
    assert by_weight[2.0] == "look at 00:03" and by_weight[3.0] == "red cross"
    assert by_weight[1.0].count("<") == 6  # tags, and what is observed
    assert emphasised(segment, student.prompter, EmphasisSettings()) is segment
