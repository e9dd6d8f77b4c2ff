"""Supervised fine-tuning of a student, from scratch or from any Qwen2.5-VL.

One optimiser step takes some videos; each brings a few samples of every task, packed behind one shared prefix. The
order of the data follows from the seed and the step, and a checkpoint outlives the process: after a kill the run goes
on from it as if nothing had happened. A student built from scratch first learns to name what it sees (visual_words.py).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.data.identity import filed_under
from components.core.data.manifest import folder_digest
from components.core.data.rows import digest_of
from components.core.engine.stage import Stage, Task
from components.core.errors import DatasetError, SettingsError, TrainingError
from components.core.lineage import training_run
from components.core.students.build import build_student
from components.core.students.folders import written_whole
from components.core.students.packing import Packed, pack
from components.core.students.profile import load_profile, save_profile
from components.core.students.prompting import Prefix, prompt_texts
from components.core.students.samplers.own import Decoding
from components.core.students.student import Ask, Student, load_student, parameter_count
from components.core.students.videos import Videos
from components.core.training import parity
from components.core.training.checkpoints import Checkpoints
from components.core.training.log import TrainingLog, last_metrics
from components.core.training.optimizers import Optimizer
from components.core.training.task_losses import backward_by_task
from components.sft.samples import Lessons, collect_lessons, draw_samples, tokenizer_texts
from components.sft.schedule import sampling_rng, step_at
from components.sft.settings import SftSettings
from components.sft.visual_words import draw_moments, naming_loss

UNTRAINED = "untrained"


@dataclass
class Trainer:
    """What every step needs."""

    task: Task[SftSettings]
    settings: SftSettings
    student: Student
    optimizer: Optimizer
    lessons: list[Lessons]
    videos: Videos
    too_long: int = 0

    def naming_step(self, number: int) -> dict[str, float]:
        """One step on single moments."""
        count = self.settings.naming.moments
        rng = sampling_rng(self.settings.seed, number, "naming")
        moments = draw_moments(self.lessons, self.videos, count, rng)
        if not moments:
            raise DatasetError("No frame of the training videos could be read.", "See the log for the reasons.")
        loss = naming_loss(self.student.model, self.student.prompter, moments)
        loss.backward()
        norm = self.optimizer.step(self.settings.optimizer.rate(number, self.settings.naming.steps))
        return {"loss_naming": finite(float(loss.detach()), number), "gradient_norm": norm}

    def text_step(self, number: int) -> dict[str, float]:
        """One step on packed samples, counted from 0 after the naming steps."""
        step = step_at(number, self.settings.phases, len(self.lessons), self.settings.seed)
        lessons = [self.lessons[index] for index in step.videos]
        names = [lesson.video.video_id for lesson in lessons]
        prefixes = self.videos.prefixes(names, sampling_rng(self.settings.seed, number, "shift"))
        rows, tasks = [], []
        for lesson, prefix in zip(lessons, prefixes, strict=True):
            if prefix is None:
                continue
            rng = sampling_rng(self.settings.seed, number, lesson.video.video_id)
            samples = draw_samples(lesson, step.phase, prefix.video.times_s, self.student.prompter, rng)
            row, row_tasks = self._row(lesson, prefix, samples)
            if row is not None:
                rows.append(row)
                tasks.append(row_tasks)
        settings = self.settings
        metrics = backward_by_task(self.student.model, rows, tasks, settings.weights, settings.rows_per_forward)
        finite(metrics.get("loss", 0.0), number)
        norm = self.optimizer.step(self.settings.optimizer.rate(number, self.settings.text_steps))
        return {**metrics, "gradient_norm": norm}

    def _row(self, lesson: Lessons, prefix: Prefix, samples: Sequence[Any]) -> tuple[Packed | None, list[str]]:
        """The samples of one video, packed; those with too long a reply are left out and counted."""
        segments = [(sample.task, self.student.prompter.segment(sample)) for sample in samples]
        short = [(task, item) for task, item in segments if sum(item.scored) <= self.settings.max_reply_tokens]
        self.too_long += len(segments) - len(short)
        if not short:
            return None, []
        return pack(prefix, [segment for _, segment in short]), [task for task, _ in short]


def train(task: Task[SftSettings]) -> None:
    """Train, or continue, and write the model's folder."""
    settings = task.settings
    lessons = _read_lessons(task, settings)
    if settings.base:
        task.info["base_model"] = settings.base
    course, kept = settings.course(), task.checkpoints(_key(task))
    checkpoints = Checkpoints(
        kept,
        course,
        task.log,
        every=settings.checkpoint_every,
        keep=settings.keep_checkpoints,
        keep_every=settings.keep_every,
    )
    student = _starting_student(settings, lessons, kept.folder / UNTRAINED)
    student.model.train()
    if settings.gradient_checkpointing:
        student.model.gradient_checkpointing_enable()
    if settings.freeze_vision:
        student.model.model.visual.requires_grad_(False)
    videos = Videos(task, student, [lesson.video for lesson in lessons], settings.shift_pixels)
    optimizer = Optimizer(student.model, settings.optimizer, settings.peaks(pretrained=student.pretrained))
    task.metrics |= _check(student, lessons, videos)
    first, steps, naming = checkpoints.load(student.model, optimizer), course.steps, settings.naming.steps
    task.log.info(
        "%d videos, %d parameters, %s",
        len(lessons), parameter_count(student), f"continuing at step {first} of {steps}" if first else f"{steps} steps",
    )  # fmt: skip
    trainer = Trainer(task, settings, student, optimizer, lessons, videos)
    with training_run("sft", settings=settings.model_dump(mode="json"), inputs=task.inputs) as run:
        log = TrainingLog(checkpoints.log_path, first, steps, task.log, run.log)
        for number in range(first, steps):
            student.model.train()
            metrics = trainer.naming_step(number) if number < naming else trainer.text_step(number - naming)
            log.record(number, metrics)
            if checkpoints.due(number + 1):
                checkpoints.save(number + 1, student.model, optimizer)
        _write(student, checkpoints.log_path, kept.folder / UNTRAINED, task.output)
        task.info["mlflow_model"] = run.log_model(task.output, "student-sft", steps)
    task.metrics |= {f"final_{name}": value for name, value in last_metrics(checkpoints.log_path).items()}
    task.metrics |= {"steps": float(steps), "videos": float(len(lessons)), "unreadable": float(len(videos.unreadable))}
    task.metrics["samples_too_long"] = float(trainer.too_long)


def finite(loss: float, step: int) -> float:
    """The loss itself.

    Raises:
        TrainingError: it is not a number, so that no checkpoint is made of it.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"The loss of step {step} is {loss}.", "Lower the learning rate; the last checkpoint is good."
        )
    return loss


def _read_lessons(task: Task[SftSettings], settings: SftSettings) -> list[Lessons]:
    lessons = collect_lessons(
        list(task.rows("captions", "videos")),
        list(task.rows("captions", "events")),
        list(task.rows("questions", "questions")),
        list(task.rows("trajectories", "trajectories")),
        settings.forms,
    )
    limit = settings.max_duration_s or math.inf
    kept = [lesson for lesson in lessons if lesson.video.duration_s <= limit]
    task.metrics["videos_too_long"] = float(len(lessons) - len(kept))
    if not kept:
        raise DatasetError(
            f"There is no captioned training video of at most {limit} s to train on ({len(lessons)} are longer).",
            "Add videos, or raise max_duration_s.",
        )
    return kept


def _key(task: Task[SftSettings]) -> str:
    """What a checkpoint belongs to: settings but for the run's length, code, inputs and base."""
    settings = task.settings
    inputs = [task.dataset(name).manifest.digest for name in task.stage.inputs]
    base = folder_digest(Path(settings.base)) if settings.base and Path(settings.base).is_dir() else ""
    filed = filed_under(task.stage.module, settings.without_length().digest())
    return f"{filed}/{digest_of(inputs, base)[:16]}"


def _starting_student(settings: SftSettings, lessons: Sequence[Lessons], untrained: Path) -> Student:
    """The base, built once where it is to be built: `untrained` lies with the checkpoints."""
    if settings.base or settings.size is None:  # one of the two is given
        return _load_base(settings)
    if not untrained.is_dir():
        texts = tokenizer_texts(lessons, prompt_texts(settings.student.style))
        with written_whole(untrained, "the untrained model") as partial:
            build_student(partial, texts, settings.size, settings.seed)
            save_profile(partial, settings.student)
    return _load(untrained, settings)


def _load_base(settings: SftSettings) -> Student:
    """The base, asked as the settings say.

    Raises:
        SettingsError: they contradict what the base was trained with, or ask a pretrained model in the compact style.
    """
    saved = load_profile(Path(settings.base))
    if saved is not None and saved.profile != settings.student:
        raise SettingsError(
            f"The base {settings.base} was trained with other prompts or frames than sft.student says.",
            f"Set sft.student to its own: {saved.profile.model_dump_json()}.",
        )
    if saved is None and settings.student.style == "compact":
        raise SettingsError(
            f"sft.student.style is compact, and the base {settings.base} was not made here: it cannot know that style.",
            "Leave sft.student.style out, or set it to full.",
        )
    return _load(settings.base, settings)


def _load(path: str | Path, settings: SftSettings) -> Student:
    return load_student(
        path,
        settings.student,
        settings.device,
        arithmetic=settings.arithmetic,
        saved=settings.saved,
        trained=True,
    )


def _check(student: Student, lessons: Sequence[Lessons], videos: Videos) -> dict[str, float]:
    """Positions and log-probabilities on the first videos, before anything is trained."""
    prefixes = [prefix for prefix in videos.prefixes([item.video.video_id for item in lessons[:2]]) if prefix]
    requests = [student.request(Ask(prefix, "think"), replies=parity.REPLIES) for prefix in prefixes]
    if not requests:
        return {}
    decoding = Decoding(parity.TOKENS_PER_REPLY, temperature=1.0, never=student.never)
    student.model.eval()
    return parity.assert_agreement(student.model, requests, decoding, student.ends).metrics()


def _write(student: Student, log: Path, untrained: Path, output: Path) -> None:
    with written_whole(output, "the model") as partial:
        student.write(partial)
        shutil.copy(log, partial / log.name)
        if untrained.is_dir():
            shutil.copytree(untrained, partial / UNTRAINED)


STAGE = Stage(
    name="sft",
    settings=SftSettings,
    inputs=("captions", "questions", "trajectories"),
    tables={},
    run=train,
)
