"""What outlives a run, under one state root (`runs/state/` or `s3://…/state/`).

    calls          every reply a teacher was paid for
    records        finished records, the rows a stage made of one record, by `<module>/<code>-<settings>/<content>`
    readings       what was measured on frames, without their pixels (video/readings.py)
    frames/        what students are shown, as it was decoded (video/frame_cache.py), where the root is a folder
    checkpoints/   folders for training, by `<module>/<code>-<settings>/<inputs>`
    spend/<run_id> what each process of a run paid its teachers, where the run has a budget (teachers/budget.py)

Outputs cannot serve for this: the orchestrator gives every run new output paths and a cluster uploads them only after
success. Stores are opened on first use, since many tasks need none.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from components.core.stores.files import is_s3
from components.core.stores.keyvalue import KeyValue, open_key_value
from components.core.stores.mirror import Mirror


class State:
    """The stores of one state root.

    Args:
        root: a folder, or an `s3://` prefix.
        scratch: folder for copies of what lies in S3.
    """

    def __init__(self, root: str, scratch: str = "") -> None:
        self.root = root
        self._scratch = scratch
        self._opened: list[KeyValue] = []

    @cached_property
    def calls(self) -> KeyValue:
        """The call cache."""
        return self._open("calls")

    @cached_property
    def records(self) -> KeyValue:
        """Finished records."""
        return self._open("records")

    @cached_property
    def readings(self) -> KeyValue:
        """What was measured on frames."""
        return self._open("readings")

    def checkpoints(self, key: str) -> Mirror:
        """The folder that a training run with this key finds again, in a new pod, too."""
        if not is_s3(self.root):
            return Mirror(Path(self.root) / "checkpoints" / key)
        kept = Mirror(Path(self._scratch) / "checkpoints" / key, f"{self.root.rstrip('/')}/checkpoints/{key}")
        kept.find()
        return kept

    def close(self) -> None:
        """Close the stores that were opened."""
        for store in self._opened:
            store.close()
        self._opened = []

    def _open(self, name: str) -> KeyValue:
        store = open_key_value(self.root, name)
        self._opened.append(store)
        return store
