"""Settings of the report."""

from __future__ import annotations

from pydantic import Field

from components.core.data.outline import Outline
from components.core.video.settings import VideoStageSettings


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
