"""Where tasks run: pools, accelerators, tolerations, retries, timeouts and /dev/shm, in this one place.

A DAG says which pool a task belongs to (`data`, `teacher`, `gate`, `training`); the profile says what a pool is. On
the laptop and in Docker a pool is empty and `place` changes nothing, because kfp.local ignores all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from components.core.data.rows import Strict
from components.core.engine.context import VARIABLES, Context
from components.core.lineage import SECRET

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

RUN_ID_LABEL = "metadata.labels['pipeline/runid']"
"""KFP labels each pod with the id of its run; tasks read it from their environment, never from a parameter."""


class Toleration(Strict):
    """A taint that tasks of a pool accept."""

    key: str
    operator: str = "Exists"
    value: str | None = None
    effect: str = "NoSchedule"


class Retry(Strict):
    """How often a task is tried again after its pod failed, and how long in between."""

    count: int = Field(default=0, ge=0, le=10)
    backoff_s: int = Field(default=30, ge=1)


class Pool(Strict):
    """What tasks of one pool ask of the cluster. Every field left empty asks for nothing."""

    cpu: str = ""
    """Kubernetes quantity, such as "4" or "500m", that is requested."""
    cpu_limit: str = ""
    """What a pod may use where its node has it to spare; empty: what it requested."""
    memory: str = ""
    """Kubernetes quantity, such as "16Gi", that is requested."""
    memory_limit: str = ""
    """Beyond which a pod is killed; empty: what it requested."""
    accelerator: str = ""
    """Resource name of the accelerator, such as "nvidia.com/gpu"."""
    accelerators: int = Field(default=0, ge=0)
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    shm: str = ""
    """Size of a memory-backed /dev/shm, such as "16Gi": data loaders and NCCL need more than the 64 MiB default."""
    retry: Retry = Retry()
    timeout_s: int = Field(default=0, ge=0)
    """Seconds after which Kubernetes ends the pod; 0 leaves it unbounded."""


class Platform(Strict):
    """The pools of a profile, and what every task inherits from its namespace."""

    pools: dict[str, Pool] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables of every task. In a profile those of libraries alone, such as `HF_HOME` or a proxy's; the fields of the
    context (core/engine/context.py) join them when it is compiled for a cluster."""
    secret: str = ""
    """Secret whose keys `secret_keys` become environment variables (keys of teacher endpoints, of the bucket)."""
    secret_keys: tuple[str, ...] = ()

    @field_validator("environment")
    @classmethod
    def _holds_no_secret_and_no_field(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name in VARIABLES.values():
                raise ValueError(f"{name} is written from the profile's own settings; set those")
            if SECRET.search(name):
                raise ValueError(f"{name} looks like a secret: name it in secret_keys")
        return value

    def within(self, context: Context) -> Platform:
        """This platform with the tasks' surroundings: those that no two runs share each pod finds out by itself."""
        return self.model_copy(update={"environment": {**self.environment, **context.environment()}})

    def place(self, task: PipelineTask, pool: str) -> PipelineTask:
        """Give `task` what `pool` asks for and the environment every task inherits; returns the task."""
        self._inherit_environment(task)
        wanted = self.pools.get(pool)
        if wanted is None:
            return task
        _ask_resources(task, wanted)
        if wanted.retry.count:
            task.set_retry(num_retries=wanted.retry.count, backoff_duration=f"{wanted.retry.backoff_s}s")
        _ask_nodes(task, wanted)
        return task

    def _inherit_environment(self, task: PipelineTask) -> None:
        if not self.environment:
            return
        from kfp import kubernetes

        for name, value in sorted(self.environment.items()):
            task.set_env_variable(name, value)
        kubernetes.use_field_path_as_env(task, env_name=VARIABLES["run_id"], field_path=RUN_ID_LABEL)
        if self.secret:
            keys = {key: key for key in self.secret_keys}
            kubernetes.use_secret_as_env(task, secret_name=self.secret, secret_key_to_env=keys)


def _ask_resources(task: PipelineTask, pool: Pool) -> None:
    if pool.cpu:
        task.set_cpu_request(pool.cpu).set_cpu_limit(pool.cpu_limit or pool.cpu)
    if pool.memory:
        task.set_memory_request(pool.memory).set_memory_limit(pool.memory_limit or pool.memory)
    if pool.accelerators:
        task.set_accelerator_type(pool.accelerator).set_accelerator_limit(pool.accelerators)


def _ask_nodes(task: PipelineTask, pool: Pool) -> None:
    if not (pool.node_selector or pool.tolerations or pool.shm or pool.timeout_s):
        return
    from kfp import kubernetes

    for key, value in pool.node_selector.items():
        kubernetes.add_node_selector(task, label_key=key, label_value=value)
    for toleration in pool.tolerations:
        kubernetes.add_toleration(
            task,
            key=toleration.key,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
        )
    if pool.shm:
        kubernetes.empty_dir_mount(task, volume_name="shm", mount_path="/dev/shm", medium="Memory", size_limit=pool.shm)
    if pool.timeout_s:
        kubernetes.set_timeout(task, seconds=pool.timeout_s)
