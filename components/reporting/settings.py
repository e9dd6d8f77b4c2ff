"""Settings of the report."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from components.core.data.outline import Outline
from components.core.video.settings import VideoStageSettings
from components.reporting.notify import Event


class ReportingSettings(VideoStageSettings):
    """How much the report shows. None of it changes a dataset."""

    pipeline: Outline = Outline()
    """What the pipeline says of itself; filled in by the DAG. Ours."""

    title: str = ""
    """Heading of the page; empty: the pipeline's name. Ours."""

    timelines: int = Field(default=12, ge=0)
    """Videos shown with a timeline, the longest first. Ours: a page of 20 MB holds about a dozen small clips."""

    questions_per_timeline: int = Field(default=8, ge=0)
    """Questions drawn for each of them. Ours."""

    thumbnails: int = Field(default=8, ge=0)
    """Of those videos, how many get a strip of frames; a strip costs about 0.2 s of CPU time. Ours."""

    quarantine_rows: int = Field(default=40, ge=0)
    """Failed records listed one by one; all are counted. Ours."""

    webhooks: tuple[str, ...] = ()
    """Variables that hold the addresses to tell how a run ended, such as `REWATCH_WEBHOOK`: the addresses are secrets.
    On a cluster they stand in `platform.secret_keys`, too. Ours."""

    notify_of: tuple[Event, ...] = ("failed", "promoted", "kept", "refused")
    """What they are told of; `finished` is a run that decided nothing, `nothing_new` one that had nothing to do.
    Ours."""

    @field_validator("webhooks")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError("it is no variable's name; an address is a secret and stands in the environment alone")
        return value
