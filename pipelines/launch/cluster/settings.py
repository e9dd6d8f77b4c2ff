"""What a profile says of how its runs are started on a cluster: on a schedule, and when videos arrive."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from components.core.data.settings import Settings

_FIELD = re.compile(r"[0-9A-Za-z*?/,-]+")


class ScheduleSettings(Settings):
    """When `rewatch schedule` has the pipeline run."""

    cron: str = ""
    """Six fields, seconds first, as KFP reads them (`0 0 3 * * *`: at three every night), or five, or `@daily`. Empty:
    no schedule."""

    timezone: str = "UTC"
    """In which `cron` is meant. KFP has one for all schedules of an installation (`cronScheduleTimezone` in its
    ConfigMap pipeline-install-config); `rewatch schedule` refuses one that is not this, where it may read it."""

    enabled: bool = True
    """False keeps the schedule and starts nothing."""

    max_concurrency: int = Field(default=1, ge=1, le=10)
    """Runs of the schedule at once. Ours: two would buy the same replies."""

    catch_up: bool = False
    """Whether a schedule that was held up starts every run it missed. Ours: the latest alone sees all videos."""

    keep_runs: int = Field(default=100, ge=0)
    """Runs of the schedule, ended and listed by KFP, that `rewatch schedule` leaves there; older ones are removed from
    KFP, not from the bucket. 0 keeps all."""

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        fields = value.split()
        if (
            value
            and not value.startswith("@")
            and (len(fields) not in (5, 6) or not all(map(_FIELD.fullmatch, fields)))
        ):
            raise ValueError("it has not five or six fields, such as '0 0 3 * * *' for three every night")
        if "TZ=" in value:
            raise ValueError("KFP's cron knows no time zone of its own; set timezone")
        return " ".join(fields)


class TriggerSettings(Settings):
    """When `rewatch trigger` starts a run for new videos."""

    settle_s: float = Field(default=30.0, ge=0)
    """Seconds without another new object after which those found are a batch. Ours: an upload of many files is one."""

    patience_s: float = Field(default=900.0, ge=0)
    """After so long what is there is a batch, however much still arrives."""

    orphan_s: float = Field(default=600.0, ge=1)
    """After so long a batch that was claimed and not submitted is taken over: whoever claimed it has died."""
