"""A training on several nodes: the task hands it to a TrainJob, follows that, and takes back the model.

Nothing is shared but the bucket. Under `<state root>/trainings/<name>/` lie the job with the task's inputs (handed over
once), then what the ranks leave: errors, and `output/` with `result.json` last. Checkpoints lie where those of any
training do.

The name is that of the work. A task whose pod was lost comes again and finds its TrainJob by it, or the result; so does
another run that wants the same weights. A task that is told to stop deletes the TrainJob, whose pods write a checkpoint
before they end, as they do when one of them is evicted.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.data.identity import filed_under
from components.core.data.manifest import read_manifest
from components.core.engine.context import VARIABLES
from components.core.errors import SettingsError, TrainingError
from components.core.stores.files import is_s3
from components.core.stores.mirror import Mirror
from components.core.training.distributed import node
from components.core.training.distributed.job import ERRORS, JOB, RESULT, Job, raise_error, read_result
from components.core.training.distributed.trainer_api import Listener, TrainerApi
from components.core.training.distributed.trainjob import OVER_TIME, complete, describe, name_of, standing_of

if TYPE_CHECKING:
    from components.core.engine.stage import Task

POLL_S = 5.0
LEAVES_WITHIN_S = 600.0
"""What a TrainJob that is deleted has to be gone in with its pods, whose grace period is for a checkpoint."""
HEARD_S = 120
"""How far back the log of a TrainJob is read that an earlier attempt of the task was following."""
INPUTS, FOLDERS, OUTPUT = "inputs", "folders", "output"


class ManyNodes:
    """A training as a TrainJob.

    Args:
        mirror: what the task and the pods hand each other.
    """

    def __init__(self, task: Task[Any], name: str, mirror: Mirror, home: str) -> None:
        self._task, self._name, self._mirror, self._home = task, name, mirror, home
        self._api = TrainerApi()
        self._handed: tuple[str, ...] = ()

    @classmethod
    @contextmanager
    def opened(cls, task: Task[Any], folders: Sequence[Path]) -> Iterator[ManyNodes]:
        """The training of a task, its inputs handed over; once it is left there is no TrainJob any more.

        Raises:
            SettingsError: the task is nowhere where a TrainJob could be.
        """
        if not (task.context.trainjob and is_s3(task.context.state_root)):
            raise SettingsError(
                f"{task.name}: distributed.nodes is {task.settings.distributed.nodes}, and this task was not told what "
                "a TrainJob is to be, or its state is in no bucket.",
                "Submit a profile whose runner is cluster, or set distributed.nodes to 1.",
            )
        inputs = [read_manifest(path).digest for given in task.inputs for path in task.paths(given)]
        name = name_of(task.name, [filed_under(task.stage.module, task.settings.digest()), *inputs])
        home = f"{task.context.state_root.rstrip('/')}/trainings/{name}"
        mirror = Mirror(task.scratch / "trainings" / name, home)
        training = cls(task, name, mirror, home)
        training._hand_over(folders)
        try:
            yield training
        finally:
            training._api.delete(name)

    def attempt(self) -> dict[str, Any] | None:
        """Follow the training to its end; what rank 0 found out, or None where a rank died.

        Raises:
            RewatchError: what a rank says it failed of; that the TrainJob is refused, or was deleted by somebody else.
        """
        self._mirror.find()
        if read_result(self._mirror.folder) is None:
            self._follow(adopted=not self._create())
            self._mirror.find()
        raise_error(self._mirror.folder)
        result = read_result(self._mirror.folder)
        if result is not None:
            self._take_output()
            self._clear()
        return result

    def _hand_over(self, folders: Sequence[Path]) -> None:
        """Publish what the ranks need; what lies in the bucket already is not sent again."""
        folder, job = self._mirror.folder, Job.of(self._task)
        sent: dict[str, Path] = {}
        inputs: dict[str, list[str]] = {}
        for name, paths in job.inputs.items():
            inputs[name] = [f"{INPUTS}/{name}/{number}" for number in range(len(paths))]
            sent |= dict(zip(inputs[name], map(Path, paths), strict=True))
        places = {f"{FOLDERS}/{number}": str(path) for number, path in enumerate(folders)}
        sent |= {name: Path(path) for name, path in places.items()}
        for name, path in sent.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(path.absolute())
        self._mirror.find()
        for name in sent:
            self._mirror.publish(folder / name)
        (folder / node.PLACES).write_text(json.dumps(places))
        self._mirror.publish(folder / node.PLACES)
        replace(job, inputs=inputs, output=OUTPUT).write(folder)
        self._mirror.publish(folder / JOB)
        self._handed = (JOB, node.PLACES, *sent)

    def _create(self) -> bool:
        """Have a TrainJob; whether it is a new one. One that failed, or is leaving, is waited out first, and its pods,
        whose checkpoint and addresses are those of the next."""
        ends = time.monotonic() + LEAVES_WITHIN_S
        while True:
            found = self._api.get(self._name)
            standing = standing_of(found) if found else None
            if standing and standing.state in ("going", "succeeded"):
                self._task.log.info("The TrainJob %s is there already: following it", self._name)
                return False
            if standing is None and not self._api.pods(self._name) and self._make():
                wanted = self._task.settings.distributed
                self._task.log.info("TrainJob %s: %d nodes of %d processes", self._name, wanted.nodes, wanted.processes)
                return True
            if standing and standing.state == "failed":
                self._api.delete(self._name)
            if time.monotonic() > ends:
                raise TrainingError(
                    f"The TrainJob {self._name} of an earlier attempt does not go away.",
                    f"Remove it (`kubectl -n {self._api.namespace} delete trainjob {self._name}`) and run again.",
                )
            time.sleep(POLL_S)

    def _make(self) -> bool:
        """Create it; False where somebody else was faster. What ranks of an earlier attempt said is forgotten."""
        for path in self._mirror.folder.glob(ERRORS):
            self._mirror.withdraw(path)
        wanted, told = self._task.settings.distributed, self._task.context.environment()
        trainjob = complete(
            self._task.context.trainjob,
            self._name,
            nodes=wanted.nodes,
            processes=wanted.processes,
            command=["python3", "-m", node.__name__, self._home],
            environment={key: value for key, value in told.items() if key != VARIABLES["trainjob"]},
            owner=self._api.owner(),
        )
        return self._api.create(trainjob)

    def _follow(self, *, adopted: bool) -> None:
        """Wait until the TrainJob has ended, telling what its pods say and where they are.

        Raises:
            TrainingError: somebody deleted it, or its time is over.
        """
        log, seen, waited_for = self._task.log, "", ""
        listener = Listener(self._api, log, HEARD_S if adopted else None)
        while True:
            trainjob = self._api.get(self._name)
            standing = standing_of(trainjob) if trainjob else None
            pods = self._api.pods(self._name)
            listener.hear(pods)
            if (where := describe(pods)) != seen:
                log.info("TrainJob %s: %s", self._name, where)
                seen = where
            waited_for = where if pods else waited_for
            if standing and standing.state in ("succeeded", "failed"):
                listener.close()
                if standing.state == "failed":
                    log.warning("TrainJob %s failed: %s", self._name, standing.reason)
                if standing.reason.startswith(OVER_TIME):
                    raise TrainingError(
                        f"The TrainJob {self._name} did not end in its time; at last {waited_for or 'it had no pod'}.",
                        "Raise timeout_s of its pool, or mend what its pods wait for: training continues.",
                    )
                return
            if standing is None or standing.state == "leaving":
                listener.close()
                self._mirror.find()
                if read_result(self._mirror.folder) is not None:
                    return
                raise TrainingError(
                    f"The TrainJob {self._name} was deleted while it ran.", "Run again: training continues."
                )
            time.sleep(POLL_S)

    def _take_output(self) -> None:
        """The model becomes the task's own."""
        made = self._mirror.folder / OUTPUT
        self._mirror.complete(made)
        shutil.copytree(made, self._task.output, dirs_exist_ok=True, copy_function=shutil.move)

    def _clear(self) -> None:
        """What was handed over has served: the bucket keeps the checkpoints alone. The result goes first, since who
        finds it looks for the model, too."""
        for name in (RESULT, OUTPUT, *self._handed):
            path = self._mirror.folder / name
            if path.is_symlink():
                path.unlink()
            self._mirror.withdraw(path)
