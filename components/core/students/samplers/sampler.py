"""What a sampler is: requests in, replies with the log-probabilities they were drawn with out.

`own.py` samples with the weights that are trained, in the trainer's process. An inference server holds weights of its
own, often in another precision: it is told of every update (`take_up`), its log-probabilities are its own, and how far
they lie from the trainer's is checked before the first step (training/parity.py) and logged with each one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from components.core.students.prompting import Prefix

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Request:
    """A question about a video: its prefix, the tokens after it, and how many replies to draw."""

    prefix: Prefix
    token_ids: tuple[int, ...]
    replies: int = 1


@dataclass(frozen=True)
class Reply:
    """One reply: its tokens, with the one that ends it where the student did, and their log-probabilities."""

    token_ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    ended: bool


@dataclass(frozen=True)
class Decoding:
    """How to draw: temperature 0 is greedy; `never` holds token ids that must not be drawn."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    never: tuple[int, ...] = ()


class Sampler(Protocol):
    """Draws replies of a student."""

    def sample(self, requests: Sequence[Request], decoding: Decoding, seed: int) -> list[list[Reply]]:
        """Replies to each request, in order; the same for the same seed and weights.

        Log-probabilities are of the distribution before top-p and suppression, at the temperature.
        """

    def take_up(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Sample with these weights from now on, by the names that `named_parameters` of the student's model gives.

        Whatever was computed with the old ones goes: caches of prefixes, and of encoded videos where the tower trains.
        """
