"""Who becomes champion, decided on crafted score cards."""

from __future__ import annotations

import random

from components.core.records import Protocol
from components.promotion.decision import Answered, ScoreCard, decide
from components.promotion.settings import PromotionSettings

PROTOCOL = Protocol(
    frames="16",
    fps=2.0,
    pixels="56x56",
    decoding="greedy",
    extractor="answer tag, option match",
    judge="",
    intervals="bootstrap",
    questions="held out, 400",
)


def card(accuracy: float, seed: int, n: int = 400, digest: str = "new", **changes: object) -> ScoreCard:
    draw = random.Random(seed)
    answers = tuple(
        Answered(question_id=f"q{index:03d}", video_id=f"v{index // 4}", correct=draw.random() < accuracy)
        for index in range(n)
    )
    return ScoreCard(system="grpo_think", model_digest=digest, protocol=PROTOCOL, answers=answers).model_copy(
        update=changes
    )


def test_the_first_model_becomes_champion() -> None:
    decision = decide(card(0.5, 1), None, "", PromotionSettings())
    assert decision.verdict == "promoted"
    assert decision.text.startswith("There was no champion")


def test_a_clearly_better_model_replaces_the_champion() -> None:
    decision = decide(card(0.8, 1), card(0.6, 2, digest="old"), "3", PromotionSettings())
    assert decision.verdict == "promoted"
    assert decision.low is not None and decision.low > 0
    assert decision.n == 400


def test_a_model_that_may_be_worse_does_not() -> None:
    decision = decide(card(0.61, 1), card(0.6, 2, digest="old"), "3", PromotionSettings())
    assert decision.verdict == "kept"
    assert "The champion stays" in decision.text and "400 questions of 100 videos" in decision.text


def test_a_tolerated_loss_is_a_setting() -> None:
    settings = PromotionSettings(min_gain=-0.2)
    assert decide(card(0.61, 1), card(0.6, 2, digest="old"), "3", settings).verdict == "promoted"


def test_the_same_model_stays_champion() -> None:
    decision = decide(card(0.6, 1, digest="old"), card(0.6, 1, digest="old"), "3", PromotionSettings())
    assert decision.verdict == "kept"
    assert "champion already" in decision.text


def test_a_champion_without_a_score_is_never_replaced_silently() -> None:
    decision = decide(card(0.9, 1), None, "3", PromotionSettings())
    assert decision.verdict == "refused"
    assert "no stored score" in decision.text


def test_another_protocol_does_not_compare() -> None:
    other = PROTOCOL.model_copy(update={"frames": "32"})
    decision = decide(card(0.9, 1), card(0.6, 2, digest="old", protocol=other), "3", PromotionSettings())
    assert decision.verdict == "refused"
    assert "another protocol (frames differ)" in decision.text


def test_other_questions_do_not_compare() -> None:
    decision = decide(card(0.9, 1, n=400), card(0.6, 2, n=396, digest="old"), "3", PromotionSettings())
    assert decision.verdict == "refused"
    assert "396 in common of 396 and 400" in decision.text


def test_few_questions_decide_nothing() -> None:
    decision = decide(card(0.9, 1, n=8), card(0.1, 2, n=8, digest="old"), "3", PromotionSettings())
    assert decision.verdict == "refused"
    assert "8 questions decide nothing" in decision.text


def test_an_evaluation_without_the_system_promotes_nothing() -> None:
    assert decide(None, None, "", PromotionSettings()).verdict == "refused"
