"""In how many processes, on how many machines, a student is trained."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.core.data.settings import Settings


class DistributedSettings(Settings):
    """The ranks that train a student together, and what holds its weights."""

    not_content: ClassVar[frozenset[str]] = frozenset({"backend", "zero", "restarts"})

    backend: Literal["single", "deepspeed"] = "single"
    """`single`: one process. `deepspeed`: weights, gradients and optimiser state spread over all ranks by ZeRO;
    AdamW alone (training/zero.py says why). Ours."""

    zero: Literal[2, 3] = 2
    """ZeRO's stage: 2 spreads gradients and optimiser state, 3 the weights, too. Ours."""

    processes: int = Field(default=1, ge=1)
    """Ranks on each machine, as a rule one for each GPU. Ours."""

    nodes: int = Field(default=1, ge=1)
    """Machines. On 1 the ranks are processes of the task's own pod; above it they are pods of a TrainJob, which wants a
    cluster with Kubeflow Trainer (manifests/components/trainer), and state in a bucket. Ours."""

    restarts: int = Field(default=1, ge=0)
    """How often all ranks are started again, from the last checkpoint, after one of them died. What a rank says of
    itself (a wrong setting, a loss that is no number) is an error at once. Ours."""

    @model_validator(mode="after")
    def _one_process_is_single(self) -> Self:
        if self.backend == "single" and self.processes * self.nodes > 1:
            raise ValueError("processes or nodes above 1 need backend: deepspeed")
        return self
