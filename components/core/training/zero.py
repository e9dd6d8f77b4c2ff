"""Training in ranks under DeepSpeed's ZeRO: each has its part of gradients and optimiser state; in stage 3 of weights.

What is asked of DeepSpeed, and why:

- *AdamW alone.* ZeRO cuts all weights, laid end to end, into equal parts, one for each rank: a part of a matrix has no
  orthogonal neighbour, so Muon cannot be computed on it. It is refused.
- *Master weights in float32*, as everywhere here (students/precision.py): the model itself is held in float32 and runs
  in bfloat16 by autocast, so weights travel between ranks in four bytes, not in two.
- *The caller says when a step ends* (`managed_gradient_accumulation` off): how many forwards a step has follows from
  its data. Every rank makes the same number, with `run_idle` where it has no more (task_losses.py, grpo/update.py).
- *Nothing is fetched ahead* in stage 3 and nothing is kept for later: both follow from the order of modules in the last
  step, which for rows of different kinds differs between ranks, and ranks that gather in different orders wait forever.
- *No checkpoint of its own*: DeepSpeed writes pickles, one for each rank, and reads them with `weights_only=False`: a
  checkpoint would be code. Ours holds the whole weights and moments as safetensors, the same as of one process
  (checkpoints.py): a run can go on with another number of ranks, or with none. Rank 0 must hold one copy of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from components.core.errors import SettingsError
from components.core.students.packing import idle_row
from components.core.training.backend import Told
from components.core.training.distributed.ranks import Ranks
from components.core.training.optimizers import BETAS, OptimizerSettings, Peaks

if TYPE_CHECKING:
    import torch

WHOLE_UP_TO = 10_000
"""In stage 3, what has at most so many weights stays whole in every rank: norms and biases, and no matrix of a real
model."""

MOMENTS = ("exp_avg", "exp_avg_sq")
"""AdamW's names of its state, beside `step`."""


class Zero:
    """A packed model under DeepSpeed.

    Args:
        packed: with the weights to go on from; from here on it is DeepSpeed's.
        stage: of ZeRO, 2 or 3.

    Raises:
        SettingsError: the peaks ask for Muon.
    """

    parts = 1

    def __init__(self, packed: Any, settings: OptimizerSettings, peaks: Peaks, ranks: Ranks, stage: int) -> None:
        if peaks.name == "muon":
            raise SettingsError(
                "optimizer.name is muon, and distributed.backend is deepspeed: ZeRO gives each rank a slice of all "
                "weights, in which there are no matrices to orthogonalise.",
                "Set optimizer.name to adamw, or distributed.backend to single.",
            )
        import deepspeed
        import torch

        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else it compiles one for a CPU's ranks
        self.ranks = ranks
        self._packed = packed
        self._stage = stage
        self._peak = peaks.learning_rate
        self._trained = [value for value in packed.parameters() if value.requires_grad]
        optimizer = torch.optim.AdamW(self._trained, lr=self._peak, betas=BETAS, weight_decay=settings.weight_decay)
        deepspeed.init_distributed(verbose=False)
        self.model, *_ = deepspeed.initialize(
            model=packed, optimizer=optimizer, config=_config(settings, stage), dist_init_required=False
        )

    @property
    def spreads_weights(self) -> bool:
        """In stage 3."""
        return self._stage == 3

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of this rank's part; DeepSpeed takes means over ranks, and losses here add up."""
        self.model.backward(loss * self.ranks.size, scale_wrt_gas=False)

    def backward_all(self, parts: Sequence[Callable[[], tuple[torch.Tensor, Told]]]) -> list[Told]:
        """One after the other: ranks are what runs side by side."""
        told = []
        for part in parts:
            loss, said = part()
            self.backward(loss)
            told.append(said)
        return told

    def step(self, rate: float) -> float:
        """Move the weights; DeepSpeed moves nothing where the norm is no number."""
        for group in self.model.optimizer.param_groups:
            group["lr"] = self._peak * rate
        self.model.step()
        return float(self.model.get_global_grad_norm())

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Gather what stage 3 has spread."""
        if self._stage < 3:
            yield
            return
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(self._packed.parameters())):
            yield

    def moments(self) -> dict[str, torch.Tensor]:
        """Put together parameter by parameter, and kept by the first rank."""
        from deepspeed.utils import safe_get_full_optimizer_state

        kept: dict[str, torch.Tensor] = {}
        steps = [state["step"] for state in self._states()]
        for place, parameter in enumerate(self._trained if steps else ()):
            for name in MOMENTS:
                value = safe_get_full_optimizer_state(parameter, name)
                if self.ranks.leads:
                    kept[f"0.{place}.{name}"] = value.to("cpu", copy=True).view(_shape(parameter))
            if self.ranks.leads:
                kept[f"0.{place}.step"] = steps[0].to("cpu", copy=True)
        return kept

    def take_up(self, moments: dict[str, torch.Tensor]) -> None:
        """Set AdamW's state, which there is after a step: one that moves nothing makes it."""
        from deepspeed.utils import safe_set_full_optimizer_state

        if not moments:
            return
        self.backward(self.model("score", [idle_row(self._packed.model.config.video_token_id)]).sum() * 0.0)
        self.step(0.0)
        device = self._packed.device
        for place, parameter in enumerate(self._trained):
            for name in MOMENTS:
                safe_set_full_optimizer_state(parameter, moments[f"0.{place}.{name}"].to(device), name)
        for state in self._states():
            state["step"].copy_(moments["0.0.step"])

    def _states(self) -> list[dict[str, torch.Tensor]]:
        """AdamW's state of each slice of this rank."""
        return [state for state in self.model.optimizer.optimizer.state.values() if "step" in state]


def _shape(parameter: Any) -> tuple[int, ...]:
    """Of the whole parameter, also while stage 3 has it spread."""
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


def _config(settings: OptimizerSettings, stage: int) -> dict[str, Any]:
    return {
        "train_micro_batch_size_per_gpu": 1,  # what it counts samples with; nothing here depends on it
        "managed_gradient_accumulation": False,
        "gradient_clipping": settings.max_gradient_norm,
        "zero_allow_untested_optimizer": True,  # torch's own AdamW
        "steps_per_print": 1 << 62,
        "zero_optimization": {
            "stage": stage,
            "overlap_comm": False,
            "contiguous_gradients": True,
            "stage3_prefetch_bucket_size": 0,
            "stage3_max_reuse_distance": 0,
            "stage3_param_persistence_threshold": WHOLE_UP_TO,
        },
    }
