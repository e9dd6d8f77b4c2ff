from __future__ import annotations

from pathlib import Path

import pytest

from components.core.data.datasets import Dataset
from components.core.data.rows import Failure, ProbeVerdict, Question, QuestionType, Summary
from components.filter_probes.filter_questions import STAGE
from components.sandbox.teacher.launch import running_teacher
from tests.components.core.judging.stages import captions, run_stage, summary, video, write_dataset
from tests.components.core.judging.world import open_question, requests_by_schema

LOOKS = [open_question(f"What colour is the shape at [00:0{n}]?", "yellow") for n in (2, 3, 4)]
WRONG = open_question("What colour is the shape at [00:07]?", "white")
TOLD = open_question("Which shape is shown at [00:05]? (The answer is cross.)", "cross")
GIVEN_AWAY = open_question("How many different shapes are shown in all?", "4", QuestionType.COUNTING)
TELLING = "The video shows 4 different shapes, one after the other."


def filtered(
    folder: Path,
    questions: list[Question],
    text: str = TELLING,
    faults: tuple[str, ...] = (),
    settings: dict[str, object] | None = None,
) -> Dataset:
    """What the stage makes of some questions about the clip."""
    with running_teacher(log=folder / "requests.jsonl", faults=faults) as url:
        return run_stage(
            STAGE,
            url,
            folder,
            {
                "captions": captions(folder / "captions", [video()]),
                "written": write_dataset(
                    folder / "written",
                    {"summaries": [summary(text=text)], "questions": questions},
                    {"summaries": Summary, "questions": Question},
                ),
            },
            settings,
        )


def test_each_filter_removes_what_it_is_there_for_and_the_rest_gets_twins(tmp_path: Path) -> None:
    result = filtered(tmp_path, [*LOOKS, WRONG, TOLD, GIVEN_AWAY])
    reasons = {row.question_id: row.reason.split(":")[0] for row in result.rejected("questions")}
    assert reasons[WRONG.question_id] == "answer_check"
    assert reasons[TOLD.question_id] == "text_only"
    assert reasons[GIVEN_AWAY.question_id] == "summary_only"

    kept = {row.question_id: row for row in result.rows("questions")}
    looks = {question.question_id for question in LOOKS} - set(reasons)
    twins = [row for row in kept.values() if row.form == "multiple_choice"]
    assert looks and {row.twin_of for row in twins} == looks
    assert all(kept[row.twin_of].form == "open" for row in twins)
    assert all(len(row.options) == 4 and row.options[row.answer_index] == row.answer for row in twins)
    assert [row.video_id for row in result.rows("summaries")] == ["video"]


def test_a_filter_that_is_left_out_drops_nothing(tmp_path: Path) -> None:
    unfiltered = filtered(tmp_path / "none", [*LOOKS, WRONG, TOLD, GIVEN_AWAY], settings={"filters": []})
    assert not list(unfiltered.rejected("questions")) and not list(unfiltered.rows("verdicts"))
    assert {WRONG.question_id, TOLD.question_id} < {row.question_id for row in unfiltered.rows("questions")}


def test_verdicts_are_kept_for_rejected_questions_too_and_no_probe_is_asked_in_vain(tmp_path: Path) -> None:
    result = filtered(tmp_path, [*LOOKS, WRONG, TOLD, GIVEN_AWAY])
    verdicts: dict[tuple[str, str, str], ProbeVerdict] = {
        (row.question_id, row.filter, row.probe): row for row in result.rows("verdicts")
    }
    assert not verdicts[WRONG.question_id, "answer_check", "verifier"].correct
    assert not any(key[0] == WRONG.question_id and key[1] != "answer_check" for key in verdicts)
    assert verdicts[TOLD.question_id, "text_only", "probe_b"].correct
    for (question, filter, probe), row in verdicts.items():
        if probe == "probe_a" and not row.correct:
            assert (question, filter, "probe_b") not in verdicts, "the first wrong answer settles it"
        assert row.lineage.request_keys


def test_a_lower_threshold_drops_what_one_probe_answers(tmp_path: Path) -> None:
    summaries = filtered(tmp_path, [GIVEN_AWAY, LOOKS[0]], settings={"theta_summary": 0.5})
    verdicts = list(summaries.rows("verdicts"))
    asked = [row.probe for row in verdicts if (row.question_id, row.filter) == (GIVEN_AWAY.question_id, "summary_only")]
    assert asked == ["probe_a"], "one right answer of two is enough at one half"


def test_asking_about_a_video_costs_a_handful_of_calls_however_many_questions_it_has(tmp_path: Path) -> None:
    filtered(tmp_path, LOOKS, settings={"matching": "rules"})
    asked = requests_by_schema(tmp_path / "requests.jsonl")
    assert asked["verdicts"] == 1 and asked["distractors"] == 1
    assert asked["answers"] <= 4 and asked["answer_match"] == 0


def test_questions_in_several_batches_all_get_verdicts(tmp_path: Path) -> None:
    result = filtered(tmp_path, LOOKS, settings={"batch_size": 2})
    checked = [row for row in result.rows("verdicts") if row.filter == "answer_check"]
    assert {row.question_id for row in checked} == {question.question_id for question in LOOKS}
    assert requests_by_schema(tmp_path / "requests.jsonl")["verdicts"] == 2


@pytest.mark.parametrize("fault", ["http_500=0.3", "wrong_schema=0.3"])
def test_a_teacher_that_stumbles_changes_nothing(tmp_path: Path, fault: str) -> None:
    steady, stumbling = tmp_path / "steady", tmp_path / "stumbling"
    steady.mkdir()
    stumbling.mkdir()
    expected = filtered(steady, LOOKS)
    settings = {"verifier": {"role": "verifier", "attempts": 8}, "rewriter": {"role": "rewriter", "attempts": 8}}
    settings["probes"] = [{"role": role, "attempts": 8} for role in ("probe_a", "probe_b")]
    settings["judge"] = {"role": "judge", "attempts": 8}
    result = filtered(stumbling, LOOKS, faults=(fault,), settings=settings)
    assert result.manifest.tables["questions"].digest == expected.manifest.tables["questions"].digest
    assert result.manifest.tables["verdicts"].digest == expected.manifest.tables["verdicts"].digest


def test_a_verifier_that_only_babbles_fails_the_video_and_keeps_no_question(tmp_path: Path) -> None:
    result = filtered(tmp_path, LOOKS, faults=("garbage=1@verifier",))
    assert list(result.rows("questions")) == list(result.rejected("questions")) == []
    assert [(failure.record_id, failure.error) for failure in result.failures()] == [("video", "ReplyError")]


def test_the_failures_of_the_writer_are_passed_on_to_the_gate(tmp_path: Path) -> None:
    failed = Failure(record_id="lost", stage="contrastive_qa", error="ReplyError", reason="no valid reply")
    with running_teacher() as url:
        kinds = {"summaries": Summary, "questions": Question}
        tables = {"summaries": [summary(), failed], "questions": LOOKS}
        inputs = {
            "captions": captions(tmp_path / "captions", [video()]),
            "written": write_dataset(tmp_path / "written", tables, kinds),
        }
        result = run_stage(STAGE, url, tmp_path, inputs)
    assert [failure.record_id for failure in result.failures()] == ["lost"]
