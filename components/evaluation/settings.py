"""Settings of the evaluation."""

from __future__ import annotations

from pydantic import Field

from components.core.teachers.roles import RoleSettings
from components.core.video.settings import VideoStageSettings


class EvaluationSettings(VideoStageSettings):
    """Settings of the stage `evaluation`. Decoding is greedy, as in the paper."""

    judge: RoleSettings = RoleSettings(role="judge")
    """Judges observations against the caption (the paper's judge at evaluation time is GPT-4.1)."""

    inferrer: RoleSettings = RoleSettings(role="inferrer")
    """Answers from the observations alone (the paper's M_infer)."""

    champion: str = ""
    """The model to ask beside the new ones, as `version@fingerprint@folder`; filled in by the pipeline. Empty: none."""

    single_look_questions: int = Field(default=450, ge=0)
    """Held-out questions that one look answers; 0 asks all. 450 give a standard error of about 2.3 points at 0.5."""

    two_look_questions: int = Field(default=150, ge=0)
    """Held-out questions of every other kind; 0 asks all. Reported, without a bar, until students learn two looks."""

    max_duration_s: float = Field(default=16.0, ge=0)
    """Longer held-out videos are left out, as SFT leaves them out of training; 0 means no limit."""

    judged_questions: int = Field(default=150, ge=0)
    """Questions per system whose looks are judged; 0 judges all. Each costs two calls."""

    captioned_videos: int = Field(default=48, ge=0)
    """Held-out videos described in caption mode by each trained student; 0 leaves captions out."""

    max_frames: int = Field(default=0, ge=0)
    """Frames per video at most; 0 takes the student's own setting (the paper evaluates with 192 and with 384)."""

    max_tokens: int = Field(default=96, ge=1)
    """Longest answer in tokens. Ours: three times the laptop's traces; the paper's traces average 400 tokens."""

    max_caption_tokens: int = Field(default=128, ge=1)
    """Longest caption in tokens. Ours, as above."""

    videos_per_chunk: int = Field(default=32, ge=2)
    """Videos held in memory at once; each chunk is read once and shown to every system."""

    batch_size: int = Field(default=128, ge=1)
    """Answers generated together."""
