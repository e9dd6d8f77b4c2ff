"""Who becomes champion, decided on crafted answers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from components.promotion.decision import AnsweredQuestion, Rival, decide
from components.promotion.settings import PromotionSettings

SETTINGS = PromotionSettings(registered_model="a-student")


def answers(accuracy: float, seed: int, numbers: Sequence[int] = range(400)) -> list[AnsweredQuestion]:
    """Right and wrong by chance, four questions a video."""
    draw = random.Random(seed)
    return [AnsweredQuestion(f"q{number:03d}", f"v{number // 4}", draw.random() < accuracy) for number in numbers]


def champion(accuracy: float, seed: int, numbers: Sequence[int] = range(400), margin: float = 0.0) -> Rival:
    return Rival("the champion (version 3)", answers(accuracy, seed, numbers), margin)


def untrained(accuracy: float, seed: int, numbers: Sequence[int] = range(400)) -> Rival:
    return Rival("the untrained model", answers(accuracy, seed, numbers), SETTINGS.min_lead)


def test_a_clearly_better_model_replaces_the_champion() -> None:
    decision = decide(answers(0.8, 1), champion(0.6, 2), SETTINGS)
    assert decision.verdict == "promoted"
    assert decision.low is not None and decision.low > 0
    assert (decision.n, decision.rival) == (400, "the champion (version 3)")


def test_a_model_that_may_be_worse_does_not() -> None:
    decision = decide(answers(0.61, 1), champion(0.6, 2), SETTINGS)
    assert decision.verdict == "kept"
    assert "of the champion (version 3)" in decision.text and "400 questions of 100 videos" in decision.text


def test_a_model_that_answers_just_as_the_champion_does_not_replace_it() -> None:
    decision = decide(answers(0.6, 1), champion(0.6, 1), SETTINGS)
    assert (decision.verdict, decision.difference, decision.low) == ("kept", 0.0, 0.0)


def test_a_tolerated_loss_is_a_setting() -> None:
    assert decide(answers(0.61, 1), champion(0.6, 2, margin=-0.2), SETTINGS).verdict == "promoted"


def test_confidence_is_a_setting() -> None:
    sure = decide(answers(0.66, 1), champion(0.6, 2), SETTINGS.model_copy(update={"confidence": 0.999}))
    hasty = decide(answers(0.66, 1), champion(0.6, 2), SETTINGS.model_copy(update={"confidence": 0.6}))
    assert sure.low is not None and hasty.low is not None and sure.low < hasty.low
    assert (sure.verdict, hasty.verdict) == ("kept", "promoted")
    assert "(99.9 % " in sure.text and "(60 % " in hasty.text


def test_a_first_champion_must_be_better_than_the_untrained_model() -> None:
    assert decide(answers(0.5, 1), untrained(0.1, 2), SETTINGS).verdict == "promoted"
    learned_nothing = decide(answers(0.25, 1), untrained(0.25, 2), SETTINGS)
    assert learned_nothing.verdict == "kept"
    assert "of the untrained model" in learned_nothing.text


@pytest.mark.parametrize("rival", [untrained(0.0, 2, [0]), champion(0.0, 2, [0])])
def test_one_question_decides_nothing_with_a_champion_or_without(rival: Rival) -> None:
    decision = decide([AnsweredQuestion("q000", "v0", correct=False)], rival, SETTINGS)
    assert (decision.verdict, decision.n) == ("refused", 1)
    assert f"answered 1 questions in common; fewer than {SETTINGS.min_questions}" in decision.text


def test_a_few_questions_that_only_one_answered_cost_nothing() -> None:
    decision = decide(answers(0.8, 1, range(1, 400)), champion(0.5, 2, range(399)), SETTINGS)
    assert (decision.verdict, decision.n) == ("promoted", 398)


def test_the_remedy_for_too_few_questions_can_be_followed() -> None:
    few = [range(60), range(10, 70)]
    decision = decide(answers(0.9, 1, few[0]), champion(0.2, 2, few[1]), SETTINGS)
    assert decision.verdict == "refused" and "--set promotion.min_questions=50" in decision.text
    follows = SETTINGS.model_copy(update={"min_questions": 50})
    assert decide(answers(0.9, 1, few[0]), champion(0.2, 2, few[1]), follows).verdict == "promoted"


def test_a_champion_that_could_not_be_asked_is_never_replaced_silently() -> None:
    gone = Rival("the champion (version 3)", (), 0.0, fault="The champion (version 3) could not be asked.")
    decision = decide(answers(0.9, 1), gone, SETTINGS)
    assert (decision.verdict, decision.text) == ("refused", gone.fault)


def test_an_evaluation_without_the_system_promotes_nothing() -> None:
    assert decide([], untrained(0.1, 1), SETTINGS).verdict == "refused"


def every_seed() -> Iterator[str]:
    for seed in range(40):
        yield decide(answers(0.5, seed), champion(0.5, seed + 1000), SETTINGS).verdict


def test_an_equal_model_is_promoted_about_as_rarely_as_the_interval_says() -> None:
    assert sum(verdict == "promoted" for verdict in every_seed()) <= 4
