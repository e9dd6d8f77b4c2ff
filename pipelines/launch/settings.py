"""What a profile says of how and where its pipeline is launched."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.core.data.settings import Settings, web_address
from components.core.stores.buckets import BucketSettings
from components.core.stores.files import is_s3
from components.core.teachers.budget import Budget
from pipelines.launch.local.docker import DockerSettings

_ADDRESS = web_address("http://host:port", keys="platform.secret_keys")
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


class LaunchSettings(Settings):
    """How and where the pipeline is launched."""

    runner: Literal["subprocess", "docker", "cluster"] = "subprocess"
    videos: str = "runs/corpus/videos"
    """Folder, `s3://` prefix or manifest of the videos; `--videos` replaces it."""
    runs: str = "runs"
    """Folder of runs, state and cache (subprocess and docker)."""
    state: str = ""
    """Folder or `s3://` prefix of what outlives runs: stored replies, finished records, checkpoints, the watermark.
    Empty: `state` in the folder of runs. A cluster's must be in S3, where its runs are written down, too."""
    scratch: str = ""
    """Folder for what may be lost: copies of what lies in S3, and checkpoints on their way there. Empty: `scratch` in
    the folder of runs, or /tmp/rewatch in a pod."""
    s3_endpoint: Annotated[str, _ADDRESS] = ""
    """Address of the store that speaks S3, such as `http://seaweedfs.kubeflow:9000`; empty: Amazon's, or the one that
    the launcher's environment names."""
    s3_region: str = ""
    """Region of the buckets, such as `eu-central-1`; empty: the one that the environment names, or none."""
    buckets: dict[str, BucketSettings] = Field(default_factory=dict)
    """Buckets that lie elsewhere than `s3_endpoint`, or are reached with other keys, by name: videos are often somebody
    else's. The variables of their keys are handed to every task; on a cluster they are among `platform.secret_keys`."""
    mlflow: Annotated[str, _ADDRESS] = ""
    """Address of the MLflow server. Empty: on this machine the one that the environment names, else a database in the
    folder of runs; on a cluster nothing is tracked."""
    budget: Budget = Budget()
    """What all tasks of the run together may pay their teachers, in tokens and in money."""
    teacher_workers: int = Field(default=2, ge=1)
    """Worker processes of the built-in teacher."""
    teacher_faults: tuple[str, ...] = ()
    """Faults the built-in teacher is told to commit, `name=probability[@role]`: to see gates and filters at work."""
    shared_model_accepted: tuple[str, ...] = ()
    """Roles of which one accepts that they share a model, though the probes and the auditor are worth something only as
    models of their own: two probes that are one count as one, and an auditor that filters measures its own filter."""
    docker: DockerSettings = DockerSettings()
    """What containers get beside what their run needs (docker)."""
    host: str = ""
    """Address of the KFP API (cluster)."""
    namespace: str = ""
    """Namespace of the KFP profile (cluster, multi-user)."""
    service_account: str = ""
    """Of the runs' pods; empty: KFP's own (cluster)."""
    check_images: bool = True
    """Whether `rewatch submit` asks registries for the images first: not where only the nodes hold them (cluster)."""
    schedule: ScheduleSettings = ScheduleSettings()
    """When runs start by themselves (cluster)."""
    trigger: TriggerSettings = TriggerSettings()
    """When new videos start one (cluster)."""
    experiment: str = ""
    """Experiment of KFP and of MLflow; empty: the pipeline's name."""

    @field_validator("state")
    @classmethod
    def _is_a_folder_or_in_s3(cls, value: str) -> str:
        if "://" in value and not (is_s3(value) and value.removeprefix("s3://").split("/")[0]):
            raise ValueError("it is neither a folder nor s3://bucket/prefix")
        return value

    @model_validator(mode="after")
    def _keeps_what_pods_share(self) -> Self:
        if self.runner == "cluster" and not is_s3(self.state):
            raise ValueError(
                f"state is {self.state!r}, which the pods of a cluster do not share: name s3://bucket/prefix"
            )
        return self
