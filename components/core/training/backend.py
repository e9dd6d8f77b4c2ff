"""Who holds the weights while they are trained: one process here, ranks under DeepSpeed in `zero.py`.

A step is any number of `model(…)` and `backward(…)`, then one `step`. The losses of all ranks add up, so a mean has the
sum over all ranks in its denominator before it is given to `backward`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from components.core.students.packing import idle_row
from components.core.students.precision import threads_of_one_core
from components.core.training.distributed.ranks import Ranks
from components.core.training.optimizers import Optimizer

if TYPE_CHECKING:
    import torch

Told = TypeVar("Told")


class Backend(Protocol):
    """Moves the weights of a student.

    Attributes:
        parts: into how many a step's rows are best divided for `backward_all`.
        ranks: those it trains among; `backward`, `step`, `whole` and `moments` are called by all of them together.
    """

    ranks: Ranks

    @property
    def spreads_weights(self) -> bool:
        """Whether a rank has the weights whole only within `whole`: who samples needs a copy then."""

    @property
    def model(self) -> Any:
        """What is called in place of the packed model, so that its hooks see every forward."""

    parts: int

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of this rank's part of a loss."""

    def backward_all(self, parts: Sequence[Callable[[], tuple[torch.Tensor, Told]]]) -> list[Told]:
        """Compute each part of a loss and add its gradient; what else the parts computed, in order."""

    def step(self, rate: float) -> float:
        """Clip, move at `rate` times the peaks, clear the gradients.

        Returns:
            the norm of the gradient over all ranks before clipping. One that is no finite number moved nothing.
        """

    def whole(self) -> AbstractContextManager[None]:
        """While it lasts, the packed model has its weights whole, as a checkpoint or a copy needs them."""

    def moments(self) -> dict[str, torch.Tensor]:
        """The optimiser's state as a checkpoint holds it, whatever the backend; empty but in the first rank."""

    def take_up(self, moments: dict[str, torch.Tensor]) -> None:
        """Go on with a state that `moments` gave."""


def run_idle(backend: Backend) -> None:
    """Run a row that counts for nothing, while other ranks run some that do: in every forward they wait for all."""
    if backend.ranks.size > 1:
        row = idle_row(backend.model.module.model.config.video_token_id)
        backend.backward(backend.model("score", [row]).sum() * 0.0)


class SingleProcess:
    """Weights, gradients and optimiser of one process.

    Args:
        threads: parts of a loss that are computed side by side, a core each; 0 leaves the cores to torch, which divides
            every operation among them. Those of a small student are too small for that (sft/README.md), while halves of
            its rows need each other only when their gradients are added.
    """

    spreads_weights = False

    def __init__(self, packed: Any, optimizer: Optimizer, threads: int = 0) -> None:
        import torch

        self.ranks = Ranks()
        self.model = packed
        self.parts = max(1, threads)
        self._optimizer = optimizer
        if threads:
            torch.set_num_threads(1)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient."""
        loss.backward()

    def backward_all(self, parts: Sequence[Callable[[], tuple[torch.Tensor, Told]]]) -> list[Told]:
        """Side by side, if there are threads; gradients are added in the order of the parts, to equal bytes."""
        import torch

        weights = [weight for weight in self.model.parameters() if weight.requires_grad]

        def computed(part: Callable[[], tuple[torch.Tensor, Told]]) -> tuple[Sequence[torch.Tensor | None], Told]:
            loss, told = part()
            return torch.autograd.grad(loss, weights, allow_unused=True), told

        if len(parts) == 1:
            loss, told = parts[0]()
            self.backward(loss)
            return [told]
        with threads_of_one_core(self.parts) as pool:
            results = list(pool.map(computed, parts))
        for gradients, _ in results:
            for weight, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        return [told for _, told in results]

    def step(self, rate: float) -> float:
        """Move the weights."""
        return self._optimizer.step(rate)

    def whole(self) -> AbstractContextManager[None]:
        """They always are."""
        return nullcontext()

    def moments(self) -> dict[str, torch.Tensor]:
        """The optimiser's state."""
        return self._optimizer.tensors()

    def take_up(self, moments: dict[str, torch.Tensor]) -> None:
        """Go on with it."""
        if moments:
            self._optimizer.load_tensors(moments)
