"""Keep the questions that need the video's details; drop what is wrong, guessable, or given away by the summary.

Three filters, from the cheapest to the dearest (ReWatch-R1, stage 2): the answer must hold against the detailed caption
(F1); not enough probes may answer from the question alone (F2), nor with the summary (F3). The questions of a video
go through each filter together; what one filter drops costs nothing in the next, and a probe is asked only while its
answer can still change the verdict. Rejected questions are kept with the reason, and so is every verdict. What remains
gets a multiple-choice twin.

    python -m components.filter_probes --help
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from components.core.data.rows import CaptionEvent, ProbeVerdict, Question, Row, Strict, Summary, digest_of
from components.core.engine.stage import Stage, Task
from components.core.judging.prompts import caption_lines
from components.filter_probes.filters import QuestionFilters
from components.filter_probes.settings import FilterProbesSettings


class QuestionsOfVideo(Strict):
    """What is filtered together: the open questions of one video, with its caption and summary."""

    summary: Summary
    caption: tuple[CaptionEvent, ...]
    questions: tuple[Question, ...]

    @property
    def id(self) -> str:
        """The video's identifier."""
        return self.summary.video_id

    def digest(self) -> str:
        """sha256 of the rows' content, their lineage apart."""
        rows: tuple[Row, ...] = (self.summary, *self.caption, *self.questions)
        return digest_of([row.digest() for row in rows])


async def run(task: Task[FilterProbesSettings]) -> None:
    """Filter the questions of this shard, video by video."""
    task.carry_failures("written")
    await task.map(videos_to_filter(task), filter_video)


def videos_to_filter(task: Task[FilterProbesSettings]) -> Iterator[QuestionsOfVideo]:
    """The videos of this shard that have a summary, each with its caption and its open questions."""
    captions: dict[str, list[CaptionEvent]] = defaultdict(list)
    for event in task.rows("captions", "events"):
        captions[event.video_id].append(event)
    questions: dict[str, list[Question]] = defaultdict(list)
    for question in task.rows("written", "questions"):
        questions[question.video_id].append(question)
    for summary in task.rows("written", "summaries"):
        caption = sorted(captions[summary.video_id], key=lambda event: event.start_s)
        asked = questions[summary.video_id]
        yield QuestionsOfVideo(summary=summary, caption=tuple(caption), questions=tuple(asked))


async def filter_video(record: QuestionsOfVideo, task: Task[FilterProbesSettings]) -> list[Row]:
    """The summary, the kept and rejected questions, the twins and the verdicts of one video."""
    settings = task.settings
    filters = QuestionFilters(task.teachers, settings, caption_lines(record.caption))
    alive = list(record.questions)
    if "answer_check" in settings.filters:
        alive = await filters.check_answers(alive)
    if "text_only" in settings.filters:
        alive = await filters.probe("text_only", "", settings.theta_text, alive)
    if "summary_only" in settings.filters:
        alive = await filters.probe("summary_only", record.summary.text, settings.theta_summary, alive)
    twins = await filters.write_twins(alive)
    return [record.summary, *alive, *filters.rejected, *twins, *filters.verdicts]


STAGE = Stage(
    name="filter_probes",
    settings=FilterProbesSettings,
    inputs=("captions", "written"),
    tables={"summaries": Summary, "questions": Question, "verdicts": ProbeVerdict},
    run=run,
    roles=("verifier", "probes", "judge", "rewriter"),
)
