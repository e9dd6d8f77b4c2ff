"""GRPO on re-watching traces: sample groups, judge them, move the policy towards the better ones.

A compact loop of its own because the trainers at hand either drop the video from the loss without a word or encode it
once per sample (README). Here a video goes through the model once for sampling and once for the update, whatever the
size of the group. Sampling is seeded by the step, and a checkpoint outlives the process: a run that was killed goes on
from it and draws what it would have drawn.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from components.core import students
from components.core.code_digest import stage_digest
from components.core.errors import TrainingError
from components.core.judging.judge import Judge
from components.core.lineage import training_run
from components.core.records import CaptionEvent, Question, digest_of
from components.core.students import parity
from components.core.students.checkpoints import Checkpoints
from components.core.students.optimizers import Optimizer
from components.core.students.packing import Packed, pack
from components.core.students.parity import as_segment
from components.core.students.sampling import Decoding
from components.core.students.scoring import log_probabilities
from components.core.students.student import Ask, Student, load_student
from components.core.students.training_log import TrainingLog, last_metrics
from components.core.students.videos import Videos
from components.core.tasks import Stage, Task
from components.grpo.material import read_questions, replayed_samples
from components.grpo.objective import clipped_loss, kl_divergence
from components.grpo.rollouts import Group, Prompt, describe, draw_questions, judge_groups, sample_groups
from components.grpo.settings import GrpoSettings

if TYPE_CHECKING:
    import torch


@dataclass
class Trainer:
    """What every step needs."""

    task: Task
    settings: GrpoSettings
    student: Student
    reference: Student | None
    optimizer: Optimizer
    questions: list[list[Question]]
    captions: Mapping[str, list[CaptionEvent]]
    videos: Videos
    judge: Judge

    def step(self, number: int) -> dict[str, float]:
        """One step: experience, then the updates on it. Returns its metrics."""
        import torch

        started = time.process_time()
        generator = torch.Generator(self.student.model.device).manual_seed(self.settings.seed * 1_000_003 + number)
        groups = sample_groups(self.student, self._prompts(number), self.settings, generator)
        sampled = time.process_time()
        self.task.wait(judge_groups(groups, self.judge, self.settings))
        judged = time.process_time()
        metrics = describe(groups)
        teaching = [group for group in groups if group.teaches]
        for _ in range(self.settings.updates):
            metrics |= self._update(teaching, number)
        seconds = {"sampling": sampled - started, "judging": judged - sampled, "update": time.process_time() - judged}
        return {**metrics, **{f"cpu_{name}": value for name, value in seconds.items()}}

    def _prompts(self, number: int) -> list[Prompt]:
        settings = self.settings
        drawn = draw_questions(self.questions, number, settings.videos, settings.questions_per_video, settings.seed)
        prefixes = self.videos.prefixes(
            [question.video_id for question in drawn], Random(f"{settings.seed}/shift/{number}")
        )
        return [
            Prompt(question, prefix, self.captions[question.video_id])
            for question, prefix in zip(drawn, prefixes, strict=True)
            if prefix is not None
        ]

    def _update(self, groups: Sequence[Group], number: int) -> dict[str, float]:
        """One optimiser step on groups that teach, with captions replayed; the batch is weighted by tokens."""
        self.student.model.train()
        by_video: dict[int, list[Group]] = defaultdict(list)
        for group in groups:
            by_video[id(group.prompt.prefix)].append(group)
        batches = list(by_video.values())
        total = sum(len(reply.token_ids) for group in groups for reply, _ in _weighed(group))
        sums = dict.fromkeys(("policy_loss", "clipped", "entropy_estimate", "kl"), 0.0)
        for start in range(0, len(batches), self.settings.rows_per_forward):
            self._policy_loss(batches[start : start + self.settings.rows_per_forward], max(1, total), sums)
        replayed = self._replay(number)
        norm = self.optimizer.step(self.settings.optimizer.rate(number, self.settings.steps))
        means = {name: value / max(1, total) for name, value in sums.items()}
        loss = means["policy_loss"] + replayed
        if not math.isfinite(loss):
            raise TrainingError(f"The loss of step {number} is {loss}.", "Lower the learning rate.")
        return {"loss": loss, **means, "loss_replay": replayed, "gradient_norm": norm}

    def _policy_loss(self, batches: Sequence[Sequence[Group]], total: int, sums: dict[str, float]) -> None:
        """Back-propagate the clipped objective of some videos' groups, each video one packed row."""
        import torch

        settings, rows, replies = self.settings, [], []
        for groups in batches:
            rows.append(
                pack(groups[0].prompt.prefix, [as_segment(g.request, r) for g in groups for r, _ in _weighed(g)])
            )
            replies += [pair for group in groups for pair in _weighed(group)]
        new = self._scores(self.student, rows)
        old = torch.tensor([value for reply, _ in replies for value in reply.log_probabilities], device=new.device)
        spread = [advantage for reply, advantage in replies for _ in reply.token_ids]
        losses, clipped = clipped_loss(
            new, old, torch.tensor(spread, device=new.device), settings.clip_low, settings.clip_high
        )
        loss = losses.sum()
        if self.reference is not None:
            with torch.no_grad():
                reference = self._scores(self.reference, rows)
            divergence = kl_divergence(new, reference).sum()
            loss = loss + settings.kl * divergence
            sums["kl"] += float(divergence.detach())
        (loss / total).backward()
        sums["policy_loss"] += float(loss.detach())
        sums["clipped"] += float(clipped.sum())
        sums["entropy_estimate"] += float(-new.detach().sum())

    def _scores(self, student: Student, rows: Sequence[Packed]) -> torch.Tensor:
        import torch

        by_row = log_probabilities(student.model, rows, self.settings.temperature)
        return torch.cat([tokens for row in by_row for tokens in row])

    def _replay(self, number: int) -> float:
        """Back-propagate captions and direct answers of a few videos; returns their weighted loss."""
        import torch

        settings, prompter = self.settings, self.student.prompter
        if not settings.replay_videos or not settings.replay_weight:
            return 0.0
        first = number * settings.replay_videos
        chosen = [self.questions[(first + index) % len(self.questions)] for index in range(settings.replay_videos)]
        prefixes = self.videos.prefixes([asked[0].video_id for asked in chosen])
        rows = []
        for asked, prefix in zip(chosen, prefixes, strict=True):
            if prefix is not None:
                events = self.captions[asked[0].video_id]
                samples = replayed_samples(events, asked[number % len(asked)], prompter)
                rows.append(pack(prefix, [prompter.segment(sample) for sample in samples]))
        if not rows:
            return 0.0
        scores = torch.cat([tokens for row in log_probabilities(self.student.model, rows) for tokens in row])
        loss = -settings.replay_weight * scores.mean()
        loss.backward()
        return float(loss.detach())


def train(task: Task) -> None:
    """Train, or continue, and write the model's folder."""
    settings: GrpoSettings = task.settings
    captions, videos, questions = read_questions(task, settings)
    source = task.paths("sft_model")[0]
    student = load_student(source, device=settings.device)
    reference = load_student(source, device=settings.device) if settings.kl else None
    if settings.gradient_checkpointing:
        student.model.gradient_checkpointing_enable()
    if settings.freeze_vision:
        student.model.model.visual.requires_grad_(False)
    optimizer = Optimizer(student.model, settings.optimizer)
    checkpoints = Checkpoints(task.checkpoint_dir(_key(task)))
    judge = Judge(task.teachers, settings.judge, settings.inferrer)
    trainer = Trainer(
        task,
        settings,
        student,
        reference,
        optimizer,
        questions,
        captions,
        Videos(task, student, videos, settings.shift_pixels),
        judge,
    )
    task.metrics |= _check(trainer)
    first = int(checkpoints.load(student.model, optimizer)["step"])
    task.log.info(
        "%d questions on %d videos, %s",
        sum(map(len, questions)), len(questions),
        f"continuing at step {first} of {settings.steps}" if first else f"{settings.steps} steps",
    )  # fmt: skip
    with training_run("grpo", settings=settings.model_dump(mode="json"), inputs=task.inputs) as run:
        log = TrainingLog(checkpoints.log_path, first, settings.steps, task.log, run.log)
        for number in range(first, settings.steps):
            log.record(number, trainer.step(number))
            if (number + 1) % settings.checkpoint_every == 0 or number + 1 == settings.steps:
                checkpoints.save(number + 1, student.model, optimizer, {})
        student.save(task.output)
        shutil.copy(checkpoints.log_path, task.output / checkpoints.log_path.name)
        task.info["mlflow_model"] = run.log_model(task.output, "student-grpo", settings.steps)
    task.metrics |= {f"final_{name}": value for name, value in last_metrics(checkpoints.log_path).items()}
    task.metrics |= {
        "steps": float(settings.steps),
        "judge_asked": float(judge.asked),
        "judge_failed": float(judge.failed),
    }


def _weighed(group: Group) -> list[tuple[Any, float]]:
    """The replies that have an advantage, with it; those whose judge failed are left out."""
    return [
        (reply, advantage)
        for reply, advantage in zip(group.replies, group.advantages, strict=True)
        if advantage is not None
    ]


def _key(task: Task) -> str:
    """What a checkpoint belongs to: settings, code and inputs."""
    from components.core.manifest import read_manifest

    inputs = [read_manifest(path).digest for name in task.stage.inputs for path in task.paths(name)]
    code = [stage_digest(task.stage.folder), stage_digest(Path(students.__file__).parent)]
    return digest_of(task.settings.digest(), code, inputs)


def _check(trainer: Trainer) -> dict[str, float]:
    """Positions and log-probabilities agree on the first step's first prompts."""
    prompts = trainer._prompts(0)[:2]
    asks = [Ask(prompt.prefix, "think", prompt.question.question, prompt.question.options) for prompt in prompts]
    if not asks:
        return {}
    student, settings = trainer.student, trainer.settings
    student.model.eval()
    length = min(settings.max_tokens, parity.TOKENS_PER_REPLY)
    decoding = Decoding(length, settings.temperature, settings.top_p, student.never)
    requests = [student.request(ask, replies=parity.REPLIES) for ask in asks]
    return parity.assert_agreement(student.model, requests, decoding, student.prompter.end).metrics()


STAGE = Stage(
    name="grpo",
    settings=GrpoSettings,
    inputs=("captions", "questions", "sft_model"),
    tables={},
    run=train,
    roles=("judge", "inferrer"),
)
