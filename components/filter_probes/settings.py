"""Settings of the question filters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.data.settings import StageSettings
from components.core.teachers.roles import RoleSettings

Filter = Literal["answer_check", "text_only", "summary_only"]


class FilterProbesSettings(StageSettings):
    """Settings of the stage `filter_probes`."""

    verifier: RoleSettings = RoleSettings(role="verifier")
    """Checks each answer against the detailed caption (the paper's M_verify, GPT-4.1)."""

    probes: tuple[RoleSettings, ...] = Field(
        default=(RoleSettings(role="probe_a"), RoleSettings(role="probe_b")), min_length=1
    )
    """Who tries to answer without the video; the paper has two models of different families (M_probe)."""

    judge: RoleSettings = RoleSettings(role="judge")
    """Compares a probe's answer with the right one where no rule can."""

    rewriter: RoleSettings = RoleSettings(role="rewriter")
    """Writes the distractors of the multiple-choice twin (the paper's M_rewrite)."""

    filters: tuple[Filter, ...] = ("answer_check", "text_only", "summary_only")
    """The filters that questions go through, in this order whatever is written (the paper's F1, F2 and F3); fewer of
    them are an ablation, whose gate needs wider bars."""

    matching: Literal["judge", "rules"] = "judge"
    """Who settles a probe's answer that equals the right one in no literal way: `judge` asks the judge, `rules` counts
    it as wrong (cheaper, and blind to paraphrases). Ours: the paper writes only "probe(Q) ≈ A"."""

    theta_text: float = Field(default=1.0, gt=0, le=1)
    """A question is dropped when at least this share of the probes answers it from its text alone. The paper's value is
    1: with two probes a question goes only if both are right."""

    theta_summary: float = Field(default=1.0, gt=0, le=1)
    """The same with the summary in the prompt; the paper's value is 1."""

    distractors: int = Field(default=3, ge=1, le=9)
    """Wrong options of a multiple-choice twin; the paper's four options follow from its 25 % chance level."""

    batch_size: int = Field(default=20, ge=1)
    """Questions of one video in one call. Ours: one call for a video's questions at the paper's eight per video."""
