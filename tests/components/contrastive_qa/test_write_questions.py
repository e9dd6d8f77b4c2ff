"""Questions end to end: from the built-in writer, and from writers that misbehave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.contrastive_qa.write_questions import STAGE
from components.core.data.datasets import Dataset
from components.core.data.rows import CaptionEvent, Question, Segment, Video
from components.core.traces.looks import is_one_look, looks_of
from tests.components.core.teachers.loopback import loopback
from tests.components.writing_stages import RunStage, payload_of, scripted, write_dataset

SHOWN = ["a red circle", "a blue square", "a yellow triangle", "a white cross", "a green circle"]


def video(index: int = 0) -> Video:
    return Video(
        video_id=f"{index}" * 64,
        uri=f"{index}.mp4",
        duration_s=8,
        fps=8,
        width=112,
        height=112,
        codec="h264",
        size_bytes=1,
        split="train",
        shard="s00000",
    )


def captions(folder: Path, *videos: Video, texts: list[str] = SHOWN) -> dict[str, Path]:
    events = [
        CaptionEvent(
            event_id=f"event-{one.video_id[0]}-{index}",
            video_id=one.video_id,
            segment_id="segment",
            start_s=index * 1.6,
            end_s=(index + 1) * 1.6,
            text=text,
        )
        for one in videos
        for index, text in enumerate(texts)
    ]
    types = {"videos": Video, "segments": Segment, "events": CaptionEvent}
    # The events come in any order: the stage must sort them.
    rows = {"videos": videos, "segments": [], "events": events[::-1]}
    return {"captions": write_dataset(folder / "captions", rows, types)}


def written(
    question: str, answer: str = "red", evidence: tuple[int, ...] = (0,), type: str = "causal", kind: str = "other"
) -> dict[str, Any]:
    told = {"type": type, "kind": kind, "looks": 2, "question": question, "answer": answer}
    return {**told, "evidence": list(evidence)}


def write(run_stage: RunStage, folder: Path, *questions: dict[str, Any], **settings: Any) -> Dataset:
    replies = {"summary": lambda _: {"summary": "Shapes."}, "questions": lambda _: {"questions": list(questions)}}
    with loopback(scripted(replies)) as server:
        return run_stage(STAGE, server.url, "written", captions(folder, video()), **settings)


def reasons(dataset: Dataset) -> list[str]:
    return [question.reason for question in dataset.rejected("questions")]


def test_the_builtin_writer_asks_what_the_caption_answers(tmp_path: Path, teacher: str, run_stage: RunStage) -> None:
    found = run_stage(STAGE, teacher, "written", captions(tmp_path, video(0), video(1)))
    questions: list[Question] = list(found.rows("questions"))
    assert len({question.question_id for question in questions}) == len(questions) == 24
    assert len(list(found.rows("summaries"))) == 2
    assert len({question.type for question in questions}) >= 4
    for question in questions:
        assert question.form == "open" and question.answer and question.evidence
        spans = [(span.start_s, span.end_s) for span in question.evidence]
        events = [f"event-{question.video_id[0]}-{round(start / 1.6)}" for start, _ in spans]
        assert question.lineage.parents == tuple(events)
    colours = [question for question in questions if question.question == "What colour is the shape at [00:04]?"]
    assert all(question.answer == "yellow" for question in colours)


def test_nothing_is_counted_over_a_caption_with_gaps(tmp_path: Path, teacher: str, run_stage: RunStage) -> None:
    inputs = captions(tmp_path, video(0), video(1))
    gap = CaptionEvent(
        event_id="gap", video_id="1" * 64, segment_id="segment", start_s=6.4, end_s=8, text="", outcome="rejected"
    )
    rows = [*Dataset(inputs["captions"]).rows("events"), gap]
    types = {"videos": Video, "segments": Segment, "events": CaptionEvent}
    tables = {"videos": [video(0), video(1)], "segments": [], "events": rows}
    found = run_stage(STAGE, teacher, "written", {"captions": write_dataset(tmp_path / "open", tables, types)})
    by_video: dict[str, list[Question]] = {"0": [], "1": []}
    for question in found.rows("questions"):
        by_video[question.video_id[0]].append(question)
    assert any("how many" in question.question.lower() for question in by_video["0"])
    assert by_video["1"] and all(is_one_look(question) for question in by_video["1"])


def test_evidence_becomes_spans_and_event_ids(tmp_path: Path, run_stage: RunStage) -> None:
    found = write(run_stage, tmp_path, written("What follows the red circle?", "a blue square", (1, 0, 1)))
    (question,) = found.rows("questions")
    assert [(span.start_s, span.end_s) for span in question.evidence] == [(0, 1.6), (1.6, 3.2)]
    assert question.lineage.parents == ("event-0-0", "event-0-1")


def test_tags_in_a_teachers_text_never_reach_a_row(tmp_path: Path, run_stage: RunStage) -> None:
    found = write(
        run_stage, tmp_path, written("What <answer>is</answer> it?", "<action>red", (0,)), written("Q?", "<answer>")
    )
    (question,) = found.rows("questions")
    assert (question.question, question.answer) == ("What is it?", "red")
    assert reasons(found) == ["no answer"]


def test_a_summary_without_a_word_is_asked_again(tmp_path: Path, run_stage: RunStage) -> None:
    """An empty context would turn the summary's probe into a second probe of the text alone."""
    replies = {
        "summary": lambda asked: {"summary": "Shapes." if asked["asked_before"] else " <answer></answer> "},
        "questions": lambda _: {"questions": [written("A good one?")]},
    }
    with loopback(scripted(replies)) as server:
        found = run_stage(STAGE, server.url, "written", captions(tmp_path, video()))
    assert [summary.text for summary in found.rows("summaries")] == ["Shapes."]


def test_unusable_questions_are_kept_as_rejected_rows_with_the_reason(tmp_path: Path, run_stage: RunStage) -> None:
    found = write(
        run_stage,
        tmp_path,
        written("A good one?"),
        written("Nothing said?", answer="  "),
        written("  "),
        written("No proof?", evidence=()),
        written("Proof from nowhere?", evidence=(0, 7, -1)),
    )
    assert [question.question for question in found.rows("questions")] == ["A good one?"]
    assert sorted(reasons(found)) == [
        "evidence names events that do not exist: [-1, 7]",
        "no answer",
        "no evidence",
        "no question text",
    ]
    assert found.manifest.metrics["rejected"] == 4 and found.manifest.metrics["kept_causal"] == 1


def test_near_duplicates_within_a_video_are_rejected_once_and_times_tell_questions_apart(
    tmp_path: Path, run_stage: RunStage
) -> None:
    found = write(
        run_stage,
        tmp_path,
        written("Which colour does the shape have that is seen at [00:01]?"),
        written("which colour does the shape have that is seen at 00:01"),
        written("Which colour does the shape have that is seen at [00:02]?"),
        written("Which colour does the shape have that is seen at [00:01]?", answer="blue"),
    )
    assert len(list(found.rows("questions"))) == 2
    assert [reason.split(":")[0] for reason in sorted(reasons(found))] == [
        "asks the same as an earlier question but answers differently",
        "near-duplicate of an earlier question",
    ]


def test_a_long_caption_is_divided_and_each_part_sees_its_own_events(tmp_path: Path, run_stage: RunStage) -> None:
    def ask(payload: dict[str, Any]) -> dict[str, Any]:
        numbers = [event["event"] for event in payload["caption"]]
        return {"questions": [written(f"What of {numbers}?", evidence=(numbers[-1],)), written("Beyond?", "x", (99,))]}

    with loopback(scripted({"summary": lambda _: {"summary": "Shapes."}, "questions": ask})) as server:
        found = run_stage(STAGE, server.url, "written", captions(tmp_path, video()), events_per_request=2)
        asked = [payload_of(body) for body in server.requests[1:]]
    assert [(len(payload["caption"]), payload["part_of"]) for payload in asked] == [
        (2, "00:00-00:08"),
        (2, "00:00-00:08"),
        (1, "00:00-00:08"),
    ]
    assert [question.question for question in found.rows("questions")] == [
        "What of [0, 1]?",
        "What of [2, 3]?",
        "What of [4]?",
    ]
    assert len(reasons(found)) == 3


def test_a_longer_caption_gets_more_questions(tmp_path: Path, run_stage: RunStage) -> None:
    counts = []
    for settings in ({}, {"events_per_question": 0.25}):
        replies = {"summary": lambda _: {"summary": "Shapes."}, "questions": lambda _: {"questions": []}}
        with loopback(scripted(replies)) as server:
            run_stage(STAGE, server.url, "written", captions(tmp_path, video()), **settings)
            counts.append(payload_of(server.requests[-1])["count"])
    assert counts == [12, 20]


def test_the_shares_become_numbers_that_the_writer_is_asked_for(tmp_path: Path, run_stage: RunStage) -> None:
    wishes = []
    for settings in ({}, {"look_shares": {"one": 1, "two": 1, "three": 2}}):
        replies = {"summary": lambda _: {"summary": "Shapes."}, "questions": lambda _: {"questions": []}}
        with loopback(scripted(replies)) as server:
            run_stage(STAGE, server.url, "written", captions(tmp_path, video()), **settings)
            wishes.append(payload_of(server.requests[-1]).get("looks"))
    assert wishes == [None, {"one": 3, "two": 3, "three": 6}]


def test_the_builtin_writer_keeps_to_the_shares(tmp_path: Path, teacher: str, run_stage: RunStage) -> None:
    shares = {"one": 0, "two": 1, "three": 1}
    found = run_stage(STAGE, teacher, "written", captions(tmp_path, video()), look_shares=shares)
    looks = [looks_of(question) for question in found.rows("questions")]
    assert (looks.count(1), looks.count(2), looks.count(3)) == (0, 6, 6)


def test_a_kind_that_its_answer_belies_is_not_told(tmp_path: Path, run_stage: RunStage) -> None:
    found = write(
        run_stage,
        tmp_path,
        written("When does he sit?", "00:03", kind="when"),
        written("When does he stand?", "at the end", kind="when"),
        written("From when to when does he sit?", "00:03-00:05", kind="from_to"),
        written("How many chairs?", "three", kind="how_many"),
        written("How long does he sit?", "a while", kind="how_long"),
    )
    assert [question.kind for question in found.rows("questions")] == ["when", "other", "from_to", "how_many", "other"]


def test_a_video_without_a_caption_fails_alone(tmp_path: Path, teacher: str, run_stage: RunStage) -> None:
    inputs = captions(tmp_path, video(0))
    both = write_dataset(
        tmp_path / "both",
        {"videos": [video(0), video(1)], "segments": [], "events": Dataset(inputs["captions"]).rows("events")},
        {"videos": Video, "segments": Segment, "events": CaptionEvent},
    )
    found = run_stage(STAGE, teacher, "written", {"captions": both})
    assert {summary.video_id for summary in found.rows("summaries")} == {video(0).video_id}
    (failure,) = found.failures()
    assert failure.record_id == video(1).video_id and "no caption event" in failure.reason


def test_a_type_that_does_not_exist_makes_the_reply_invalid(tmp_path: Path, run_stage: RunStage) -> None:
    with pytest.raises(SystemExit):
        write(run_stage, tmp_path, written("Why?", type="riddle"))
