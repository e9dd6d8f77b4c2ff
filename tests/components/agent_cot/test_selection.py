from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.agent_cot.selection import choose, round_robin
from components.core.data.rows import Question, QuestionType
from tests.components.core.judging.world import open_question

SINGLE = [open_question(f"What colour is the shape at [00:0{n}]?") for n in range(8)]
TWO = [
    open_question(f"Question {n} about {kind.value}?", type=kind)
    for n in range(3)
    for kind in (QuestionType.STATE_CHANGE, QuestionType.COUNTING, QuestionType.EVENT_LOCALISATION)
]


@given(st.permutations([*SINGLE, *TWO]), st.integers(0, 20), st.floats(0, 1))
def test_the_choice_depends_on_the_questions_alone(shuffled: list[Question], per_video: int, share: float) -> None:
    chosen = choose(shuffled, per_video, share)
    assert chosen == choose([*SINGLE, *TWO], per_video, share)
    assert len({question.question_id for question in chosen}) == len(chosen)
    assert len(chosen) == (min(per_video, 17) or 17)


def test_the_share_of_single_looks_is_kept_and_the_rest_covers_the_types() -> None:
    chosen = choose([*SINGLE, *TWO], 6, 0.5)
    assert [question.is_single_look for question in chosen].count(True) == 3
    assert {question.type for question in chosen if not question.is_single_look} == {question.type for question in TWO}


def test_one_kind_fills_the_places_that_the_other_leaves() -> None:
    assert len(choose([*SINGLE[:1], *TWO], 4, 0.75)) == 4
    assert len(choose([*SINGLE, *TWO[:1]], 4, 0.25)) == 4


def test_types_take_turns() -> None:
    assert [question.type for question in round_robin(TWO)] == [question.type for question in TWO]
    assert len({question.type for question in round_robin(sorted(TWO, key=lambda q: q.type))[:3]}) == 3
