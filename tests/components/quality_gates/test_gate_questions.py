"""The questions gate: its measures on crafted questions, and the whole task with the built-in teacher as auditor."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from components.core.data.datasets import Dataset
from components.core.data.rows import Outcome, Question
from components.core.engine.run import run_task
from components.quality_gates.audit import Audit
from components.quality_gates.checks import Figure
from components.quality_gates.gate_questions import STAGE
from components.quality_gates.question_quality import drop_duplicates, near_duplicates, question_checks, split_leak
from components.quality_gates.settings import QuestionThresholds
from components.quality_gates.text_probe import probe_with_text
from components.sandbox.teacher.launch import running_teacher
from tests.components.builtin_roles import with_builtin_roles
from tests.components.quality_gates.worlds import as_open, caption_world, question, question_world, video

COUNTS = {"written": 100, "kept": 100}


@pytest.fixture(scope="module")
def teacher() -> Iterator[str]:
    with running_teacher() as base_url:
        yield base_url


def figures(questions: list[Question], audit: Audit | None = None, **thresholds: object) -> dict[str, Figure]:
    videos = {clip.video_id: clip for clip in (video(index) for index in range(20))}
    settings = QuestionThresholds.model_validate(thresholds)
    made = question_checks(questions, videos, COUNTS, audit or Audit(), settings)
    return {figure.name: figure for figure in made}


def refused(figure: Figure) -> bool:
    """Whether a figure with a value lies outside its bounds."""
    assert figure.value is not None
    above = figure.maximum is not None and figure.value > figure.maximum
    return above or (figure.minimum is not None and figure.value < figure.minimum)


def audited(right: int, n: int) -> Audit:
    replies = {f"q{index}": index < right for index in range(n)}
    return Audit(text_only=replies, summary_only=replies, quotes={name: name for name in replies})


def test_repetitions_about_one_video_are_dropped_with_their_twins() -> None:
    twin = question(video(1), 3, twin_of="q-open")
    first = as_open(twin).model_copy(update={"question_id": "q-open", "twin_of": ""})
    again = first.model_copy(update={"question_id": "q-again", "question": "WHAT colour is the shape at [00:03]?"})
    other_twin = twin.model_copy(update={"question_id": "q-twin-2", "twin_of": "q-again"})
    elsewhere = question(video(2), 3)
    kept, dropped = drop_duplicates([first, twin, again, other_twin, elsewhere])
    assert {row.question_id for row in kept} == {"q-open", twin.question_id, elsewhere.question_id}
    assert {row.question_id for row in dropped} == {"q-again", "q-twin-2"}
    assert {row.outcome for row in dropped} == {Outcome.REJECTED}
    assert dropped[0].reason == "repeats q-open"


def test_questions_that_differ_in_a_time_are_not_near_duplicates() -> None:
    assert near_duplicates([question(video(1), 3), question(video(1), 4)], 0.9) == []


def test_a_reworded_question_is_a_near_duplicate() -> None:
    text = "which of the many coloured shapes is shown first of all in this short video clip"
    one = question(video(1), 1, question=text)
    other = question(video(1), 2, question=f"{text} here")
    assert refused(figures([one, other])["near_duplicates"])


def test_a_key_that_always_stands_first_is_refused() -> None:
    lazy = [question(video(index), turn) for index in range(20) for turn in range(5)]
    assert refused(figures(lazy)["position_of_answer_4_options"])


def test_a_key_that_is_always_the_longest_is_refused() -> None:
    wordy = [
        question(video(index), 1, options=("a very long and careful answer", "b", "c", "d"), answer_index=0)
        for index in range(20)
    ] * 6
    assert refused(figures(wordy)["longest_option_is_key"])


def test_chance_accuracy_passes_and_a_giveaway_is_refused() -> None:
    assert not refused(figures([], audited(100, 400))["text_only_accuracy"])
    giveaway = figures([], audited(200, 400))["text_only_accuracy"]
    assert refused(giveaway)
    assert giveaway.worst == ("q0", "q1", "q10")


def asked_of_many(weights: Sequence[int]) -> list[Question]:
    """For how many seconds, one question a video, four options; the answers are drawn with these weights."""
    draw, options = random.Random(3), ("1", "2", "3", "4")
    rows = []
    for index in range(400):
        key = draw.choices(range(4), weights)[0]
        text = f"For how many seconds is the {draw.randrange(20)}th thing visible?"
        rows.append(
            question(video(index), index, question=text, options=options, answer=options[key], answer_index=key)
        )
    return rows


def test_a_template_that_a_trained_reader_answers_blindly_is_refused_though_the_auditor_cannot() -> None:
    leaking = figures(asked_of_many([6, 2, 1, 1]), audited(100, 400))
    assert not refused(leaking["text_only_accuracy"])
    found = leaking["trained_text_only_accuracy"]
    assert refused(found) and found.n == 400
    assert found.low is not None and found.low > 0.5
    (worst,) = found.worst
    assert re.fullmatch(r"(5|6)\d% of 400 like: For how many seconds is the \d+th thing visible\?", worst)


def test_balanced_answers_pass_the_trained_reader() -> None:
    assert not refused(figures(asked_of_many([1, 1, 1, 1]))["trained_text_only_accuracy"])


def test_a_mark_on_the_right_option_is_learned() -> None:
    draw = random.Random(1)
    words = [f"thing{number}" for number in range(500)]
    marked = []
    for index in range(400):
        said, key = draw.sample(words, 4), draw.randrange(4)
        options = tuple(f"the {word} as shown" if place == key else f"the {word}" for place, word in enumerate(said))
        marked.append(question(video(index), index, options=options, answer=options[key], answer_index=key))
    assert figures(marked)["trained_text_only_accuracy"].low == 1.0


def test_what_is_only_true_of_one_video_is_nothing_that_another_teaches() -> None:
    draw = random.Random(2)
    rows = []
    for index in range(60):
        options = tuple(draw.sample(["red", "green", "blue", "white", "black", "grey"], 4))
        key = draw.randrange(4)
        rows += [
            question(video(index), turn, options=options, answer=options[key], answer_index=key) for turn in range(8)
        ]
    found = figures(rows)["trained_text_only_accuracy"]
    assert found.low is not None and found.low < 0.25


def test_the_trained_reader_reads_alike_twice() -> None:
    rows = asked_of_many([1, 2, 2, 1])
    assert probe_with_text(rows).accuracies == probe_with_text(rows).accuracies


def test_a_handful_of_audited_questions_is_undecided_unless_it_convicts() -> None:
    few = figures([], audited(6, 20))["text_only_accuracy"]
    assert few.too_few == "fewer than 100 questions"
    all_right = figures([], audited(20, 20))["text_only_accuracy"]
    assert all_right.too_few == "" and refused(all_right)


def test_an_audit_of_nothing_has_no_value() -> None:
    assert figures([])["text_only_accuracy"].value is None


def test_a_video_in_both_splits_leaks() -> None:
    assert refused(split_leak([("v1", "train"), ("v1", "eval"), ("v2", "train")]))
    assert not refused(split_leak([("v1", "train"), ("v2", "eval")]))


def test_benchmarks_must_not_be_among_the_data() -> None:
    row = question(video(1), 3)
    found = figures(
        [row], benchmark_ids=(video(1).video_id,), benchmark_questions=("what colour is the shape at 00:03",)
    )
    assert refused(found["benchmark_videos"]) and refused(found["benchmark_questions"])
    assert refused(figures([question(video(99), 1)])["unknown_videos"])


def test_the_task_balances_audits_and_merges(tmp_path: Path, teacher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setenv("REWATCH_ENDPOINTS", json.dumps({"builtin": {"base_url": teacher, "api_key_env": ""}}))
    _, _, videos = caption_world(tmp_path)
    from components.core.data.rows import CaptionEvent, Segment, Video
    from tests.components.quality_gates.worlds import write_dataset

    tables = {"videos": Video, "segments": Segment, "events": CaptionEvent}
    captions = write_dataset(tmp_path / "captions", tables, [("videos", clip) for clip in videos])
    twins = [question(clip, (index + turn) % 8) for index, clip in enumerate(videos) for turn in range(4)]
    rows = [row for twin in twins for row in (as_open(twin), twin)]
    rows.append(as_open(twins[0]).model_copy(update={"question_id": "q-again"}))
    refused_row = {"question_id": "q-easy", "outcome": Outcome.REJECTED, "reason": "text_only"}
    rows.append(as_open(twins[5]).model_copy(update=refused_row))
    shards = question_world(tmp_path, videos, rows)
    output = tmp_path / "questions"
    inputs = {"captions": str(captions), "shards": [str(shard) for shard in shards]}
    run_task(STAGE, settings=with_builtin_roles(STAGE), inputs=inputs, output=str(output), name="gate-questions")
    merged = Dataset(output)
    kept = list(merged.rows("questions"))
    assert len(kept) == 320
    assert {row.reason for row in merged.rejected("questions")} == {"text_only", f"repeats {twins[0].question_id}-open"}
    result = json.loads((output / "gate.json").read_text())
    verdicts = {verdict["name"]: verdict for verdict in result["verdicts"]}
    assert result["passed"] and result["counts"]["written"] == 162
    assert verdicts["text_only_accuracy"]["n"] == verdicts["summary_only_accuracy"]["n"] == 160
    assert verdicts["position_of_answer_4_options"]["status"] == "passed"
    record = json.loads((tmp_path / "run" / "tasks" / "gate-questions.json").read_text())
    assert record["calls"] == 80  # one exam without and one with the summary, for each of 40 videos
