"""Where tasks run: pools, accelerators, tolerations, retries, timeouts, volumes and labels, in this one place.

A DAG says which pool a task belongs to (`data`, `teacher`, `gate`, `training`); the profile's table says what a pool
is, and must say it of every pool that the DAG names. On the laptop and in Docker there is no table and `place` changes
nothing, because kfp.local ignores all of it.

What KFP 2.17 cannot be told of a task, its installation is told (manifests/kubeflow-pipelines): which ends of a pod are
tried again, the time a pod is given to stop, the priority that a label stands for, and everything about driver pods.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.core.data.rows import Strict, canonical_json
from components.core.engine.context import VARIABLES, Context
from components.core.errors import SettingsError
from components.core.lineage import SECRET
from pipelines.training_nodes import SCRATCH_MOUNT, trainjob_of

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask

RUN_ID_LABEL = "metadata.labels['pipeline/runid']"
"""KFP labels each pod with the id of its run; tasks read it from their environment, never from a parameter."""


POOL_LABEL, PRIORITY_LABEL = "rewatch.io/pool", "rewatch.io/priority"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
UNBOUNDED_S = 30 * 24 * 3600
"""For how long a task without a timeout is tried again: Argo counts from the start of the first attempt, and takes what
KFP's SDK writes by default, an hour, for the end of all attempts together."""


class Toleration(Strict):
    """A taint that tasks of a pool accept."""

    key: str
    operator: str = "Exists"
    value: str | None = None
    effect: str = "NoSchedule"


class Retry(Strict):
    """How often a task is tried again after its pod failed, and how long in between: twice as long each time.

    Not every end is tried again: a task says that it would end the same way (core/engine/run.py), and the cluster's
    retry strategy heeds that.
    """

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
    scratch: str = ""
    """Size of the volume at /tmp, such as "50Gi", where copies of videos and checkpoints on their way lie; a pod that
    writes more is evicted. Empty: /tmp is the container's own disk, which it needs to be able to write."""
    scratch_class: str = ""
    """Storage class from which each pod gets a volume of that size for itself; empty: a folder on the node's disk."""
    claims: dict[str, str] = Field(default_factory=dict)
    """Paths by the PersistentVolumeClaims mounted there, such as one that holds downloaded models: `HF_HOME` says so,
    in `environment`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the pods; `rewatch.io/pool` is always there."""
    priority: str = ""
    """PriorityClass of the pods: a label, which a policy of the cluster turns into the class, as KFP cannot."""
    queue: str = ""
    """Kueue's LocalQueue, through which the pods are admitted."""

    def followed_from(self, other: Pool) -> Pool:
        """What a pod asks for that follows pods of this pool: the other's nodes, for as long, as often."""
        own = {"retry": self.retry, "timeout_s": self.timeout_s, "scratch": self.scratch}
        return other.model_copy(update={**own, "scratch_class": self.scratch_class})

    def all_labels(self, name: str) -> dict[str, str]:
        """The labels of the pods of this pool."""
        return {**self.pod_labels(name), **self.queue_label()}

    def pod_labels(self, name: str) -> dict[str, str]:
        """Those of pods that are admitted with what they belong to, such as a TrainJob."""
        own = {POOL_LABEL: name, PRIORITY_LABEL: self.priority}
        return {**self.labels, **{key: value for key, value in own.items() if value}}

    def queue_label(self) -> dict[str, str]:
        """What is admitted through Kueue says through which queue."""
        return {QUEUE_LABEL: self.queue} if self.queue else {}


class Trainer(Strict):
    """How a training on several nodes (`distributed.nodes` of its section) is started: as a TrainJob, whose pods ask
    for what the task's pool says, while the task's own pod follows it."""

    runtime: str = "rewatch-torch"
    """The TrainingRuntime, with the torch plugin and a container called `node` (manifests/components/trainer)."""
    kind: Literal["TrainingRuntime", "ClusterTrainingRuntime"] = "TrainingRuntime"
    """Of the namespace that runs' pods are in, or of the whole cluster."""
    follower: str = "data"
    """The pool whose nodes the task's own pod asks for: it needs no accelerator."""


class Platform(Strict):
    """The pools of a profile, and what every task inherits from its namespace."""

    pools: dict[str, Pool] = Field(default_factory=dict)
    trainer: Trainer = Trainer()
    in_nodes: tuple[str, ...] = ()
    """Tasks that train on several nodes. Written from their sections when the pipeline is compiled for a cluster."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables of every task. In a profile those of libraries alone, such as `HF_HOME` or a proxy's; the fields of the
    context (core/engine/context.py) join them when it is compiled for a cluster."""
    secret: str = ""
    """Secret whose keys `secret_keys` become environment variables (keys of teacher endpoints, of the bucket)."""
    secret_keys: tuple[str, ...] = ()
    """Without AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY the bucket is reached by the role of the service account."""
    optional_secret_keys: tuple[str, ...] = ()
    """Those that the Secret may lack, such as HF_TOKEN for models behind a login and MLFLOW_TRACKING_TOKEN."""
    image_pull_secrets: tuple[str, ...] = ()
    """Secrets with which images are pulled."""

    @field_validator("environment")
    @classmethod
    def _holds_no_secret_and_no_field(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name in VARIABLES.values():
                raise ValueError(f"{name} is written from the profile's own settings; set those")
            if SECRET.search(name):
                raise ValueError(f"{name} looks like a secret: name it in secret_keys")
        return value

    @model_validator(mode="after")
    def _keeps_models_where_pods_can_write(self) -> Self:
        """The file system of a task's container is read-only but for what is mounted there."""
        home = self.environment.get("HF_HOME", "")
        mounts = [SCRATCH_MOUNT, *(path for pool in self.pools.values() for path in pool.claims.values())]
        if home and self.pools and not any(PurePosixPath(home).is_relative_to(path) for path in mounts):
            raise ValueError(
                f"HF_HOME is {home}, where no pool mounts a volume: name one there, in claims of the pool that trains"
            )
        return self

    @property
    def all_secret_keys(self) -> tuple[str, ...]:
        """The keys that tasks are given, those that may be missing included."""
        return (*self.secret_keys, *self.optional_secret_keys)

    def within(self, context: Context, in_nodes: tuple[str, ...] = ()) -> Platform:
        """This platform with the tasks' surroundings: those that no two runs share each pod finds out by itself."""
        environment = {**self.environment, **context.environment()}
        return self.model_copy(update={"environment": environment, "in_nodes": in_nodes})

    def needs(self) -> str:
        """What pools need of the cluster, JSON: fields of `PoolNeeds` (core/engine/pools.py)."""
        wanted = []
        for name, it in sorted(self.pools.items()):
            cards = {"resource": it.accelerator, "amount": it.accelerators, "node_selector": it.node_selector}
            volumes = {"claims": sorted(it.claims)} if it.claims else {}
            if it.accelerators or volumes:
                wanted.append({"pool": name, **(cards if it.accelerators else {}), **volumes})
        return canonical_json(wanted)

    def place(self, task: PipelineTask, pool: str) -> PipelineTask:
        """Give `task` what `pool` asks for and the environment every task inherits; returns the task.

        Raises:
            SettingsError: the table lacks the pool.
        """
        self._inherit(task)
        if not self.pools:
            return task
        if pool not in self.pools:
            raise SettingsError(
                f"The pool {pool!r} of the task {task.name} is not among platform.pools.",
                f"Add it to {', '.join(sorted(self.pools))} in the profile.",
            )
        wanted = self.pools[pool]
        if task.name in self.in_nodes:
            task.set_env_variable(
                VARIABLES["trainjob"], canonical_json(trainjob_of(self, pool, task.container_spec.image))
            )
            wanted = wanted.followed_from(self.pools[self.trainer.follower])
        _ask_resources(task, wanted)
        if wanted.retry.count:
            _ask_retries(task, wanted)
        _ask_nodes(task, wanted)
        _ask_volumes(task, wanted)
        _label(task, wanted.all_labels(pool))
        return task

    def _inherit(self, task: PipelineTask) -> None:
        """What every task of a cluster has: the environment, the Secret's keys, no rights of root."""
        if not self.environment:
            return
        from kfp import kubernetes

        # by `set_env_variable`, one by one, KFP looks through the whole call stack for each: most of a compilation
        task.container_spec.env = {**(task.container_spec.env or {}), **dict(sorted(self.environment.items()))}
        kubernetes.use_field_path_as_env(task, env_name=VARIABLES["run_id"], field_path=RUN_ID_LABEL)
        kubernetes.set_security_context(task, run_as_non_root=True)
        if self.secret:
            for given, optional in ((self.secret_keys, False), (self.optional_secret_keys, True)):
                if given:
                    keys = {key: key for key in given}
                    kubernetes.use_secret_as_env(task, self.secret, secret_key_to_env=keys, optional=optional)
        if self.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(self.image_pull_secrets))


def _ask_resources(task: PipelineTask, pool: Pool) -> None:
    if pool.cpu:
        task.set_cpu_request(pool.cpu).set_cpu_limit(pool.cpu_limit or pool.cpu)
    if pool.memory:
        task.set_memory_request(pool.memory).set_memory_limit(pool.memory_limit or pool.memory)
    if pool.accelerators:
        task.set_accelerator_type(pool.accelerator).set_accelerator_limit(pool.accelerators)


def _ask_retries(task: PipelineTask, pool: Pool) -> None:
    """Retries for as long as all attempts may take, waits included."""
    count, backoff_s = pool.retry.count, pool.retry.backoff_s
    longest_s = (pool.timeout_s or UNBOUNDED_S) * (count + 1) + backoff_s * 2**count
    task.set_retry(num_retries=count, backoff_duration=f"{backoff_s}s", backoff_max_duration=f"{longest_s}s")


def _ask_nodes(task: PipelineTask, pool: Pool) -> None:
    from kfp import kubernetes

    for key, value in pool.node_selector.items():
        kubernetes.add_node_selector(task, label_key=key, label_value=value)
    for toleration in pool.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump())
    if pool.timeout_s:
        kubernetes.set_timeout(task, seconds=pool.timeout_s)


def _ask_volumes(task: PipelineTask, pool: Pool) -> None:
    from kfp import kubernetes

    if pool.shm:
        kubernetes.empty_dir_mount(task, volume_name="shm", mount_path="/dev/shm", medium="Memory", size_limit=pool.shm)
    if pool.scratch and pool.scratch_class:
        kubernetes.add_ephemeral_volume(
            task,
            volume_name="scratch",
            mount_path=SCRATCH_MOUNT,
            access_modes=["ReadWriteOnce"],
            size=pool.scratch,
            storage_class_name=pool.scratch_class,
        )
    elif pool.scratch:
        kubernetes.empty_dir_mount(task, volume_name="scratch", mount_path=SCRATCH_MOUNT, size_limit=pool.scratch)
    for claim, path in pool.claims.items():
        kubernetes.mount_pvc(task, pvc_name=claim, mount_path=path)


def _label(task: PipelineTask, labels: dict[str, str]) -> None:
    from kfp import kubernetes

    for key, value in sorted(labels.items()):
        kubernetes.add_pod_label(task, label_key=key, label_value=value)
