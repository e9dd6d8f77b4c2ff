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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from components.core.data.identity import filed_under
from components.core.data.rows import CaptionEvent, Question, digest_of
from components.core.engine.stage import Stage, Task
from components.core.errors import TrainingError
from components.core.judging.judge import Judge
from components.core.lineage import training_run
from components.core.students.folders import written_whole
from components.core.students.packing import pack
from components.core.students.samplers.own import Decoding
from components.core.students.student import Ask, Student, load_student
from components.core.students.videos import Videos
from components.core.training import parity
from components.core.training.checkpoints import Checkpoints
from components.core.training.log import TrainingLog, last_metrics
from components.core.training.optimizers import Optimizer
from components.core.training.task_losses import backward_by_task
from components.grpo.rollouts import Prompt, describe, draw_questions, judge_groups, sample_groups
from components.grpo.samples import read_questions, replayed_samples
from components.grpo.settings import GrpoSettings
from components.grpo.update import Batch, backward, batches_of


@dataclass
class Trainer:
    """What every step needs."""

    task: Task[GrpoSettings]
    settings: GrpoSettings
    student: Student
    reference: Student | None
    optimizer: Optimizer
    questions: list[list[Question]]
    captions: Mapping[str, list[CaptionEvent]]
    videos: Videos
    judge: Judge
    alarms: int = 0

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
        batches = batches_of(groups, self.settings.rows_per_forward, self.student.model.device)
        for _ in range(self.settings.updates):
            metrics |= self._update(batches, number)
        self._watch_rollout(metrics, number)
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

    def _update(self, batches: Sequence[Batch], number: int) -> dict[str, float]:
        """One optimiser step on groups that teach, with captions replayed; the batch is weighted by tokens."""
        settings = self.settings
        self.student.model.train()
        policy = backward(self.student.model, self.reference and self.reference.model, batches, settings)
        replay = self._replay(number)
        terms = (policy.get("policy_loss", 0.0), settings.kl * policy.get("kl", 0.0), replay.get("loss_replay", 0.0))
        loss = math.fsum(terms)
        if not math.isfinite(loss):
            raise TrainingError(f"The loss of step {number} is {loss}.", "Lower the learning rate.")
        norm = self.optimizer.step(settings.optimizer.rate(number, settings.steps))
        return {"loss": loss, **policy, **replay, "gradient_norm": norm}

    def _replay(self, number: int) -> dict[str, float]:
        """Back-propagate captions and direct answers of a few videos; their weighted loss and its parts."""
        settings, prompter = self.settings, self.student.prompter
        if not settings.replay_videos or not settings.replay_weight:
            return {}
        first = number * settings.replay_videos
        chosen = [self.questions[(first + index) % len(self.questions)] for index in range(settings.replay_videos)]
        prefixes = self.videos.prefixes([asked[0].video_id for asked in chosen])
        rows, tasks = [], []
        for asked, prefix in zip(chosen, prefixes, strict=True):
            if prefix is not None:
                events = self.captions[asked[0].video_id]
                samples = replayed_samples(events, asked[number % len(asked)], prompter)
                rows.append(pack(prefix, [prompter.segment(sample) for sample in samples]))
                tasks.append([sample.task for sample in samples])
        told = backward_by_task(
            self.student.model, rows, tasks, settings.replay_tasks, settings.rows_per_forward, settings.replay_weight
        )
        parts = {f"replay_{name}": value for name, value in told.items() if name.startswith(("loss_", "share_"))}
        return {"loss_replay": settings.replay_weight * told["loss"], **parts} if told else {}

    def _watch_rollout(self, metrics: Mapping[str, float], number: int) -> None:
        """Say so where the sampler's policy is no longer the trainer's."""
        distance = metrics.get("rollout_kl", 0.0)
        if distance > self.settings.rollout_kl_alarm:
            self.alarms += 1
            self.task.log.warning(
                "step %d: the sampler's policy lies %.2g from the trainer's (KL; rollout_kl_alarm is %g). Does one of "
                "them see other frames, positions or weights than the other?",
                number, distance, self.settings.rollout_kl_alarm,
            )  # fmt: skip


def train(task: Task[GrpoSettings]) -> None:
    """Train, or continue, and write the model's folder."""
    settings = task.settings
    captions, videos, questions = read_questions(task, settings)
    source = task.paths("sft_model")[0]
    load = partial(load_student, source, device=settings.device, arithmetic=settings.arithmetic)
    student = load(saved=settings.saved, trained=True)
    reference = load() if settings.kl else None
    if settings.gradient_checkpointing:
        student.model.gradient_checkpointing_enable()
    if settings.freeze_vision:
        student.model.model.visual.requires_grad_(False)
    optimizer = Optimizer(student.model, settings.optimizer, settings.peaks(pretrained=student.pretrained))
    checkpoints = Checkpoints(
        task.checkpoints(_key(task)),
        settings.course(),
        task.log,
        every=settings.checkpoint_every,
        keep=settings.keep_checkpoints,
        keep_every=settings.keep_every,
    )
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
    first = checkpoints.load(student.model, optimizer)
    task.log.info(
        "%d questions on %d videos, %s",
        sum(map(len, questions)), len(questions),
        f"continuing at step {first} of {settings.steps}" if first else f"{settings.steps} steps",
    )  # fmt: skip
    with training_run("grpo", settings=settings.model_dump(mode="json"), inputs=task.inputs) as run:
        log = TrainingLog(checkpoints.log_path, first, settings.steps, task.log, run.log)
        for number in range(first, settings.steps):
            log.record(number, trainer.step(number))
            if checkpoints.due(number + 1):
                checkpoints.save(number + 1, student.model, optimizer)
        with written_whole(task.output, "the model") as folder:
            student.write(folder)
            shutil.copy(checkpoints.log_path, folder / checkpoints.log_path.name)
        task.info["mlflow_model"] = run.log_model(task.output, "student-grpo", settings.steps)
    task.metrics |= {f"final_{name}": value for name, value in last_metrics(checkpoints.log_path).items()}
    task.metrics |= {
        "steps": float(settings.steps),
        "judge_asked": float(judge.asked),
        "judge_failed": float(judge.failed),
        "rollout_alarms": float(trainer.alarms),
    }


def _key(task: Task[GrpoSettings]) -> str:
    """What a checkpoint belongs to: settings but for the run's length, code and inputs."""
    from components.core.data.manifest import read_manifest

    inputs = [read_manifest(path).digest for name in task.stage.inputs for path in task.paths(name)]
    filed = filed_under(task.stage.module, task.settings.without_length().digest())
    return f"{filed}/{digest_of(inputs)[:16]}"


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
    return parity.assert_agreement(student.model, requests, decoding, student.ends).metrics()


STAGE = Stage(
    name="grpo",
    settings=GrpoSettings,
    inputs=("captions", "questions", "sft_model"),
    tables={},
    run=train,
    roles=("judge", "inferrer"),
)
