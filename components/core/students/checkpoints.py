"""Checkpoints of a training run: weights, optimiser state and counters, complete or not there at all.

A checkpoint is a folder written under another name and renamed when it is whole, so a kill at any moment leaves the one
before. What the next batch is follows from the seed and the step alone, so the step is all that has to be remembered of
the data's order. Tensors are safetensors: loading a checkpoint runs no code.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from components.core.errors import TrainingError
from components.core.manifest import TRAINING_LOG_NAME
from components.core.students.optimizers import Optimizer

STATE = "state.json"


class Checkpoints:
    """The checkpoints of one training run, and its log, in one folder that outlives the process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, model: Any, optimizer: Optimizer, state: dict[str, Any]) -> None:
        """Keep the state after `step` steps; older checkpoints go once this one is whole."""
        from safetensors.torch import save_file

        partial = self.folder / f"partial-{step:06d}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        weights = {name: parameter.detach().contiguous() for name, parameter in model.named_parameters()}
        save_file(weights, partial / "weights.safetensors")
        save_file(optimizer.tensors(), partial / "optimizer.safetensors")
        (partial / STATE).write_text(json.dumps({"step": step, **state}))
        whole = self.folder / f"step-{step:06d}"
        shutil.rmtree(whole, ignore_errors=True)
        partial.rename(whole)
        for other in self.folder.glob("step-*"):
            if other != whole:
                shutil.rmtree(other)

    def load(self, model: Any, optimizer: Optimizer) -> dict[str, Any]:
        """Take up the latest checkpoint and return its state; `{"step": 0}` where there is none.

        Raises:
            TrainingError: the checkpoint belongs to another model.
        """
        import torch
        from safetensors.torch import load_file

        found = sorted(self.folder.glob("step-*"))
        if not found:
            return {"step": 0}
        weights = load_file(found[-1] / "weights.safetensors")
        parameters = dict(model.named_parameters())
        if {name: value.shape for name, value in weights.items()} != {n: p.shape for n, p in parameters.items()}:
            raise TrainingError(
                f"The checkpoint at {found[-1]} belongs to another model.",
                "Remove that folder, or train with the settings it was made with.",
            )
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(weights[name])
        optimizer.load_tensors(load_file(found[-1] / "optimizer.safetensors"))
        state: dict[str, Any] = json.loads((found[-1] / STATE).read_text())
        return state

    @property
    def log_path(self) -> Path:
        """The run's metrics, one JSON object per step."""
        return self.folder / TRAINING_LOG_NAME
