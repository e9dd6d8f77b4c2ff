"""Who has read the questions about many clips, and the answers, guesses others hardly better than chance does."""

from __future__ import annotations

from collections import defaultdict

from components.core.data.rows import Question, QuestionType, Span
from components.core.judging.blind import BlindPrior
from components.core.traces.looks import LookShares, groups_of, looks_of
from components.core.traces.timecodes import caption_line, render_span
from components.sandbox.corpus.clips import learning_clip
from components.sandbox.teacher.distractors import write_distractors
from components.sandbox.teacher.questions import write_questions
from components.sandbox.teacher.summaries import summarise

CLIPS = 90
SHARES = LookShares(one=3, two=4, three=5)


def asked_about(number: int) -> list[Question]:
    """The multiple-choice questions about a clip with a true caption."""
    events = [
        (e.start_s, e.end_s, f"a {e.things[0].colour} {e.things[0].shape}") for e in learning_clip(number, 7).events
    ]
    lines = [caption_line(*event) for event in events]
    caption = [
        {"event": n, "time": render_span(start, end), "text": text} for n, (start, end, text) in enumerate(events)
    ]
    wish = dict(zip(("one", "two", "three"), SHARES.places(12).values(), strict=True))
    questions = []
    for place, said in enumerate(write_questions(caption, summarise(lines), list(QuestionType), 12, looks=wish)):
        wrong = write_distractors(lines, {"id": "q", **said}, 3)
        assert len(wrong) == 3, said
        evidence = tuple(Span(start_s=events[n][0], end_s=events[n][1]) for n in said.pop("evidence"))
        questions.append(
            Question.model_validate(
                {
                    **said, "question_id": f"{number}-{place}", "video_id": str(number), "form": "multiple_choice",
                    "options": (said["answer"], *wrong), "answer_index": 0, "evidence": evidence,
                }
            )
        )  # fmt: skip
    return questions


def test_answers_say_little_about_questions() -> None:
    """A blind prior had 0.41 on all questions that take a search, and 0.70 on lengths."""
    questions = [question for number in range(CLIPS) for question in asked_about(number)]
    guessed: dict[str, list[float]] = defaultdict(list)
    for part in range(3):
        prior = BlindPrior([question for question in questions if int(question.video_id) % 3 != part])
        for question in (question for question in questions if int(question.video_id) % 3 == part):
            for group in {*groups_of(question), question.kind.value}:
                guessed[group].append(prior.accuracy(question))
    accuracies = {group: sum(values) / len(values) for group, values in guessed.items()}
    assert accuracies["one_look"] < 0.32 and accuracies["several_looks"] < 0.32, accuracies
    common = {group: value for group, value in accuracies.items() if len(guessed[group]) >= 50}
    assert len(common) >= 8 and max(common.values()) < 0.4, common  # a standard error of 0.06 at 50


def test_a_clip_has_as_many_questions_of_one_look_two_and_three_as_are_wanted() -> None:
    for number in range(12):
        looks = [looks_of(question) for question in asked_about(number)]
        assert {count: looks.count(count) for count in (1, 2, 3)} == SHARES.places(12)
