from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from components.core.data.rows import CaptionEvent, Question, Step, Trajectory
from components.core.traces import scans, tags
from components.core.traces.timecodes import render, render_span
from components.sft.restaging import Scene, learn_kinds, restage

THINGS = [f"{colour} {shape}" for colour in ("red", "blue", "green") for shape in ("cross", "circle", "square")]
MOMENTS = tuple(float(second) for second in range(8))
AFTER, COLOUR = "What appears right after {thing}?", "What colour is shape at {time}?"


def scene(rng: Random) -> Scene:
    cuts = [0, *sorted(rng.sample(range(1, 8), 3)), 8]
    events = [
        CaptionEvent(event_id=f"e{a}", video_id="video", segment_id="", start_s=a, end_s=b, text=f"a {thing}")
        for thing, a, b in zip(rng.sample(THINGS, 4), cuts, cuts[1:], strict=False)
    ]
    made = Scene.of(events, MOMENTS)
    assert made is not None
    return made


def asked(text: str, answer: str, others: Sequence[str], steps: Sequence[Step]) -> tuple[Question, Trajectory]:
    options = (answer, *[other for other in others if other != answer][:3])
    question = Question.model_validate(
        {
            "question_id": text, "video_id": "video", "type": "state_change", "form": "multiple_choice",
            "question": text, "answer": answer, "options": options, "answer_index": 0, "evidence": (),
        }
    )  # fmt: skip
    trajectory = Trajectory(
        trajectory_id=text, question_id=text, video_id="video", steps=tuple(steps), answer=answer, text=""
    )
    return question, trajectory


def look(told: Scene, time_s: float) -> Step:
    seen = f"{render(time_s)} a {told.shown_at(time_s)}"
    return Step(thought="", action="segment_query", argument=render(time_s), observation=seen)


def teachers_questions(count: int) -> Iterator[tuple[Scene, Question, Trajectory]]:
    """As a teacher asks and solves them: what comes after a thing, and a colour at a time."""
    rng = Random(0)
    for _ in range(count):
        told = scene(rng)
        for event, name, following in zip(told.events, told.names, told.names[1:], strict=False):
            search = Step(
                thought="",
                action="segment_retrieval",
                argument=event.text,
                observation=f"{render_span(event.start_s, event.end_s)} {event.text}",
                event_ids=(event.event_id,),
            )
            steps = [search, look(told, event.end_s)]
            yield told, *asked(f"What appears right after the {name}?", following, THINGS, steps)
        time_s = rng.choice(MOMENTS)
        colour = told.shown_at(time_s).split()[0]
        text = f"What colour is the shape at [{render(time_s)}]?"
        yield told, *asked(text, colour, ("red", "blue", "green", "white"), [look(told, time_s)])


def test_kinds_are_asked_about_other_scenes_and_solved_as_the_teacher_solves_them() -> None:
    kinds = learn_kinds(teachers_questions(40))
    assert set(kinds) == {AFTER, COLOUR}
    rng = Random(1)
    for _ in range(50):
        told = scene(rng)
        staged = restage(kinds, told, AFTER, rng)
        assert staged is not None
        trace = tags.parse(staged.trace)
        assert trace.well_formed and trace.answer == staged.answer and len(set(staged.options)) == 4
        search, seen = trace.pairs
        named = search.action.removeprefix("find ")
        place = told.names.index(named)
        assert staged.question == f"What appears right after {named}?"
        assert staged.answer == told.names[place + 1] and staged.answer in staged.options
        found = scans.parse(search.observation)
        assert (found.start_s, found.end_s) == (told.events[place].start_s, told.events[place].end_s)
        assert seen.observation == f"{render(found.end_s)} {staged.answer}"
        single = restage(kinds, told, COLOUR, rng)
        assert single is not None and len(tags.parse(single.trace).pairs) == 1
        assert single.answer in ("red", "blue", "green") and single.answer in single.options


def test_what_is_rare_or_does_not_follow_from_its_looks_is_no_kind() -> None:
    few = list(teachers_questions(40))[:7]
    assert learn_kinds(few) == {}
    rng = Random(0)
    guessed = [
        (told, question, trajectory.model_copy(update={"answer": rng.choice(question.options)}))
        for told, question, trajectory in teachers_questions(40)
    ]
    assert learn_kinds(guessed) == {}


def test_crowded_scenes_and_things_that_come_back_are_no_scenes() -> None:
    events = scene(Random(0)).events
    assert (
        Scene.of([*events[:-1], events[-1].model_copy(update={"text": "a red cross; a blue cross"})], MOMENTS) is None
    )
    assert Scene.of([*events[:-1], events[-1].model_copy(update={"text": events[0].text})], MOMENTS) is None
