from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from components.core.data.datasets import Dataset
from components.core.data.rows import Question
from components.core.judging.judge import Judge, RewardSample
from components.core.judging.rewards import RewardTerms
from components.core.students.samplers.own import OwnSampler
from components.core.students.student import Student
from components.core.traces.looks import LookShares, looks_of
from components.core.traces.tags import parse
from components.grpo.rollouts import Group, Prompt, describe, draw_questions, judge_groups, sample_groups
from components.grpo.settings import GrpoSettings, ObservationSettings
from tests.components.training_world import frames, tiny_student, training_data


class FixedJudge:
    """Gives every sample the next of these verdicts."""

    def __init__(self, terms: Sequence[RewardTerms | None]) -> None:
        self.terms = list(terms)
        self.samples: list[RewardSample] = []

    async def score(self, samples: Sequence[RewardSample]) -> list[RewardTerms | None]:
        self.samples += samples
        return [self.terms[index % len(self.terms)] for index in range(len(samples))]


def terms(accuracy: float, observation: float = 0.0) -> RewardTerms:
    return RewardTerms(accuracy, observation, accuracy, 1.0, judged=accuracy == 1)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return tiny_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    data = training_data(tmp_path_factory.mktemp("data"), 2)
    return list(Dataset(data["questions"]).rows("questions"))


def groups_of(student: Student, questions: Sequence[Question], settings: GrpoSettings, seed: int = 0) -> list[Group]:
    prefix = student.prefix(frames(4), 2.0)
    prompts = [Prompt(question, prefix, ()) for question in questions]
    return sample_groups(student, OwnSampler(student.packed, student.ends), prompts, settings, seed)


def judged(groups: list[Group], verdicts: Sequence[RewardTerms | None], settings: GrpoSettings) -> FixedJudge:
    judge = FixedJudge(verdicts)
    asyncio.run(judge_groups(groups, cast(Judge, judge), settings))
    return judge


def test_a_failed_judge_takes_its_sample_out_before_the_baseline(student: Student, questions: list[Question]) -> None:
    """[1, 3, 2, failed] gives the same advantages as [1, 3, 2]."""
    verdicts = [terms(0.0), terms(1.0, 0.0), RewardTerms(1.0, 0.0, 0.0, 1.0, judged=True)]
    settings = GrpoSettings(replies=4, max_tokens=4)
    with_failure, without = (
        groups_of(student, questions[:1], settings),
        groups_of(student, questions[:1], GrpoSettings(replies=3, max_tokens=4)),
    )
    judged(with_failure, [*verdicts, None], settings)
    judged(without, verdicts, settings)
    assert with_failure[0].advantages == [*without[0].advantages, None]
    assert describe(with_failure)["judge_failures"] == 1
    assert describe(with_failure)["reward"] == describe(without)["reward"]


def test_a_group_without_variance_teaches_nothing(student: Student, questions: list[Question]) -> None:
    settings = GrpoSettings(replies=2, max_tokens=4)
    groups = groups_of(student, questions[:2], settings)
    judged(groups, [terms(1.0), terms(1.0), terms(1.0), terms(0.0)], settings)
    assert [group.teaches for group in groups] == [False, True]
    assert describe(groups)["groups_without_variance"] == 0.5


def test_the_ablation_leaves_observations_and_reasoning_out(student: Student, questions: list[Question]) -> None:
    verdicts = [terms(1.0, observation=1.0), terms(1.0, observation=0.0)]
    full, plain = GrpoSettings(replies=2, max_tokens=4), GrpoSettings(replies=2, max_tokens=4, reward="accuracy")
    groups = groups_of(student, questions[:1], full)
    judged(groups, verdicts, full)
    assert groups[0].advantages == [1.0, -1.0]
    judged(groups, verdicts, plain)
    assert groups[0].advantages == [0.0, 0.0]


def test_a_reply_that_was_cut_off_has_no_format(student: Student, questions: list[Question]) -> None:
    settings = GrpoSettings(replies=3, max_tokens=3)
    groups = groups_of(student, questions[:1], settings)
    assert not any(reply.ended for reply in groups[0].replies)
    assert not any(sample.well_formed for sample in judged(groups, [None], settings).samples)


@pytest.mark.parametrize(
    ("text", "earned"),
    [
        ("<answer>red</answer>", False),
        ("<action>look at 00:03</action><observation>00:03 a red cross</observation><answer>red</answer>", True),
    ],
)
def test_the_format_asks_for_a_look(student: Student, questions: list[Question], text: str, earned: bool) -> None:
    settings = GrpoSettings(replies=2, max_tokens=3)
    groups = groups_of(student, questions[:1], settings)
    groups[0].traces = [parse(text)] * 2
    groups[0].replies = [dataclasses.replace(reply, ended=True) for reply in groups[0].replies]
    assert [it.well_formed for it in judged(groups, [None], settings).samples] == [earned] * 2


def test_sampling_repeats_for_a_seed_and_differs_within_a_group(student: Student, questions: list[Question]) -> None:
    settings = GrpoSettings(replies=6, max_tokens=6)
    first, again = (groups_of(student, questions[:2], settings) for _ in range(2))
    assert [group.replies for group in first] == [group.replies for group in again]
    assert len({reply.token_ids for reply in first[0].replies}) > 1


def test_every_video_is_asked_about_in_each_epoch(questions: list[Question]) -> None:
    by_video = [[question] for question in questions]
    count = len(by_video)
    everything = sorted(question.question_id for question in questions)
    drawn = [draw_questions(by_video, step, 1, 1, seed=0)[0].question_id for step in range(2 * count)]
    assert sorted(drawn[:count]) == sorted(drawn[count:]) == everything
    assert drawn[:count] != drawn[count:]


def test_what_a_step_asks_depends_on_seed_and_number_only(questions: list[Question]) -> None:
    by_video = [questions[start : start + 3] for start in range(0, len(questions), 3)]
    steps = [draw_questions(by_video, step, 2, 2, seed=0) for step in range(6)]
    random.seed(12345)
    assert [draw_questions(by_video, step, 2, 2, seed=0) for step in reversed(range(6))][::-1] == steps
    assert [draw_questions(by_video, step, 2, 2, seed=1) for step in range(6)] != steps
    numbers = [[questions.index(question) for question in step] for step in steps]
    assert numbers[:2] == [[7, 6, 0, 1], [5, 4]]  # in any process, on any machine


def test_no_question_is_drawn_twice_in_a_step(questions: list[Question], tmp_path: Path) -> None:
    assert len(draw_questions([questions], 0, 5, len(questions), seed=0)) == len(questions)


def test_a_step_asks_questions_of_every_number_of_looks_in_their_shares(questions: list[Question]) -> None:
    one = next(question for question in questions if looks_of(question) == 1)
    hidden = {"question": "Which shape comes last?", "looks": 3}
    by_video = [
        [one.model_copy(update={"question_id": f"one-{video}"})]
        + [one.model_copy(update={"question_id": f"{video}-{number}", **hidden}) for number in range(5)]
        + [one.model_copy(update={"question_id": f"two-{video}", **hidden, "looks": 2})]
        for video in range(6)
    ]  # drawn blindly, five of seven questions take three looks
    drawn = draw_questions(by_video, 0, 6, 1, 0, LookShares(one=1, two=2, three=3))
    assert sorted(looks_of(question) for question in drawn) == [1, 2, 2, 3, 3, 3]
    assert draw_questions(by_video, 0, 6, 1, 0, LookShares(one=1, two=2, three=3)) == drawn


def test_a_video_without_questions_of_the_wanted_looks_is_asked_others(questions: list[Question]) -> None:
    one = [question for question in questions if looks_of(question) == 1][:3]
    drawn = draw_questions([one], 0, 1, 2, 0, LookShares(one=0, two=1, three=1))
    assert len(drawn) == 2


PADDED = RewardTerms(1.0, 0.75, 1.0, 1.0, judged=True, verdicts=(False, True, True, True))
HONEST = RewardTerms(1.0, 0.5, 1.0, 1.0, judged=True, verdicts=(False, True))


@pytest.mark.parametrize(
    ("rule", "padded", "honest"),
    [
        ({}, 0.75, 0.5),
        ({"at_most": 2}, 0.5, 0.5),
        ({"of": "worst"}, 0.0, 0.0),
        ({"needed": True}, 0.75, 0.0),
    ],
)
def test_true_looks_that_nobody_needs_pay_as_published_and_not_where_that_is_set(
    student: Student, questions: list[Question], rule: dict[str, object], padded: float, honest: float
) -> None:
    settings = GrpoSettings(replies=2, max_tokens=3, observations=ObservationSettings.model_validate(rule))
    groups = groups_of(student, [questions[0].model_copy(update={"looks": 3})], settings)
    judged(groups, [PADDED, HONEST], settings)
    assert [term and term.observation for term in groups[0].terms] == [padded, honest]


@pytest.mark.parametrize(("reward", "expected"), [("observation", [1.0, -1.0]), ("reasoning", [-1.0, 1.0])])
def test_each_term_of_the_reward_can_stand_alone(
    student: Student, questions: list[Question], reward: str, expected: list[float]
) -> None:
    settings = GrpoSettings.model_validate({"replies": 2, "max_tokens": 3, "reward": reward})
    groups = groups_of(student, questions[:1], settings)
    judged(
        groups, [RewardTerms(1.0, 1.0, 0.0, 1.0, judged=True), RewardTerms(1.0, 0.0, 1.0, 1.0, judged=True)], settings
    )
    assert groups[0].advantages == expected


def test_looks_and_searches_are_counted_and_those_that_are_needed_apart(
    student: Student, questions: list[Question]
) -> None:
    settings = GrpoSettings(replies=2, max_tokens=3)
    named = next(question for question in questions if looks_of(question) == 1)
    hidden = named.model_copy(update={"question_id": "hidden", "question": "Which shape comes last?", "looks": 2})
    groups = groups_of(student, [named, hidden], settings)
    look = "<action>look at 00:03</action><observation>00:03 a red cross</observation>"
    search = "<action>find a red cross</action><observation>00:03-00:05</observation>"
    groups[0].traces = [parse(f"{look}<answer>a</answer>")] * 2
    groups[1].traces = [parse(f"{search}{look}<answer>a</answer>"), parse(f"{look}{look}<answer>a</answer>")]
    judged(groups, [terms(0.0)], settings)
    told = describe(groups)
    assert (told["looks"], told["searches"], told["searches_where_needed"]) == (5 / 4, 1 / 4, 1 / 2)
    assert told["actions"] == told["looks"] + told["searches"]


def test_a_step_whose_judge_failed_throughout_reports_no_reward_rather_than_zero(
    student: Student, questions: list[Question]
) -> None:
    settings = GrpoSettings(replies=2, max_tokens=3)
    groups = groups_of(student, questions[:1], settings)
    judged(groups, [None], settings)
    told = describe(groups)
    assert told["judge_failures"] == 2
    assert not {"reward", "accuracy", "observation", "reasoning", "format", "judged_share"} & told.keys()
