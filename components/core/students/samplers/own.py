"""Batched sampling that runs each video once and each question once, however many replies are drawn.

    1. prefixes          one row per video; keys and values are kept
    2. requests          one row per question, on the keys and values of its video
    3. decoding          one row per reply; rows that ended are dropped, so that stragglers cost little

Positions and masks are explicit in every step, so rows of different length are padded on the right without harm.
Log-probabilities are of the distribution that was sampled from, before top-p, as the policy update computes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.core.students.prompting import Prefix
from components.core.students.samplers.sampler import Decoding, Reply, Request

if TYPE_CHECKING:
    import torch


class OwnSampler:
    """Samples with a model of this process.

    Args:
        model: a packed model; the one that is trained has every update at once, a copy is told of them.
        ends: ids of the tokens that end a reply.
    """

    def __init__(self, model: Any, ends: Collection[int]) -> None:
        self.model = model
        self.ends = ends

    def sample(self, requests: Sequence[Request], decoding: Decoding, seed: int) -> list[list[Reply]]:
        """Replies to each request, in order."""
        import torch

        generator = torch.Generator(self.model.device).manual_seed(seed)
        self.model.eval()
        return sample(self.model, requests, decoding, self.ends, generator)

    def take_up(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy the weights into the model, rounded to the type it holds them in."""
        import torch

        own = dict(self.model.model.named_parameters())
        with torch.no_grad():
            for name, value in weights:
                own[name].copy_(value)


def sample(
    model: Any,
    requests: Sequence[Request],
    decoding: Decoding,
    ends: Collection[int],
    generator: torch.Generator | None = None,
) -> list[list[Reply]]:
    """Replies to each request, in order.

    Args:
        model: a packed model.
        ends: ids of the tokens that end a reply.
        generator: source of randomness, for repeatable draws; needed unless the temperature is 0.
    """
    import torch

    with torch.inference_mode():
        state, logits = _read_requests(model, requests, decoding.max_tokens)
        counts = torch.tensor([request.replies for request in requests], device=logits.device)
        owners = torch.arange(len(requests), device=logits.device).repeat_interleave(counts)
        state.select(owners)
        drawn = _decode(model, state, logits[owners], decoding, ends, generator)
    replies: list[list[Reply]] = [[] for _ in requests]
    for owner, reply in zip(owners.tolist(), drawn, strict=True):
        replies[owner].append(reply)
    return replies


class _KeyValues:
    """Keys and values of all layers in buffers that grow by writing in place; takes the role of a `Cache`."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.length = 0
        self.buffers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append (rows, heads, new, size) and return all that layer has seen; `advance` is called once per forward."""
        end = self.length + key.shape[2]
        if layer not in self.buffers:
            shape = (key.shape[0], key.shape[1], self.room, key.shape[3])
            self.buffers[layer] = (value.new_empty(shape), value.new_empty(shape))  # rotation leaves keys in float32
        keys, values = self.buffers[layer]
        keys[:, :, self.length : end] = key
        values[:, :, self.length : end] = value
        return keys[:, :, :end], values[:, :, :end]

    def get_seq_length(self, *_: Any) -> int:
        """Tokens held so far."""
        return self.length

    def select(self, rows: torch.Tensor) -> None:
        """Keep, repeat or reorder rows; only what is filled is copied."""
        for layer, (keys, values) in self.buffers.items():
            self.buffers[layer] = (self._gather(keys, rows), self._gather(values, rows))

    def _gather(self, buffer: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        gathered = buffer.new_empty((len(rows), *buffer.shape[1:]))
        gathered[:, :, : self.length] = buffer[rows, :, : self.length]
        return gathered


@dataclass
class _State:
    """What decoding carries from step to step, one row per sequence."""

    cache: _KeyValues
    seen: torch.Tensor  # (rows, tokens so far) bool: false where a row was padded
    position: torch.Tensor  # (rows,): of the next token

    def select(self, rows: torch.Tensor) -> None:
        self.cache.select(rows)
        self.seen = self.seen[rows]
        self.position = self.position[rows]

    def read(
        self,
        model: Any,
        ids: torch.Tensor,
        positions: torch.Tensor,
        valid: torch.Tensor,
        wanted: torch.Tensor | None = None,
        prefixes: Sequence[Prefix] | None = None,
    ) -> torch.Tensor:
        """Run (rows, new) tokens at positions (3, rows, new); `valid` (rows, new) is false on padding.

        Returns:
            the logits (rows, vocabulary) behind the token at the place `wanted` (rows,).
        """
        import torch

        new = ids.shape[1]
        before = self.seen[:, None, None, :].expand(-1, 1, new, -1)
        causal = torch.ones(new, new, dtype=torch.bool, device=ids.device).tril()
        among = (causal & valid[:, None, :]) | torch.eye(new, dtype=torch.bool, device=ids.device)
        mask = torch.cat([before, among[:, None]], dim=-1)
        logits: torch.Tensor = model("read", ids, positions, mask, cache=self.cache, prefixes=prefixes, wanted=wanted)
        self.cache.length += new
        self.seen = torch.cat([self.seen, valid], dim=1)
        return logits


def _read_requests(model: Any, requests: Sequence[Request], max_tokens: int) -> tuple[_State, torch.Tensor]:
    """Run prefixes and requests: a state with a row per request, and the logits (requests, vocabulary) that follow."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    device = model.device
    index_of: dict[int, int] = {}
    prefixes: list[Prefix] = []
    for request in requests:
        if id(request.prefix) not in index_of:
            index_of[id(request.prefix)] = len(prefixes)
            prefixes.append(request.prefix)
    ids = pad_sequence([torch.tensor(prefix.token_ids) for prefix in prefixes], batch_first=True).to(device)
    places = pad_sequence([torch.tensor(prefix.positions) for prefix in prefixes], batch_first=True).to(device)
    lengths = torch.tensor([len(prefix.token_ids) for prefix in prefixes], device=device)
    valid = torch.arange(ids.shape[1], device=device) < lengths[:, None]
    longest = max(len(request.token_ids) for request in requests)
    cache = _KeyValues(ids.shape[1] + longest + max_tokens)
    state = _State(cache, valid[:, :0], torch.tensor([prefix.next_position for prefix in prefixes], device=device))
    state.read(model, ids, places.permute(2, 0, 1), valid, prefixes=prefixes)

    state.select(torch.tensor([index_of[id(request.prefix)] for request in requests], device=device))
    ids = pad_sequence([torch.tensor(request.token_ids) for request in requests], batch_first=True).to(device)
    lengths = torch.tensor([len(request.token_ids) for request in requests], device=device)
    steps = torch.arange(ids.shape[1], device=device)
    positions = (state.position[:, None] + steps).expand(3, -1, -1)
    logits = state.read(model, ids, positions, steps < lengths[:, None], lengths - 1)
    state.position = state.position + lengths
    return state, logits


def _decode(
    model: Any,
    state: _State,
    logits: torch.Tensor,
    decoding: Decoding,
    ends: Collection[int],
    generator: torch.Generator | None,
) -> list[Reply]:
    """Draw token after token until every row has ended or the limit is reached."""
    import torch

    rows = len(logits)
    tokens: list[list[int]] = [[] for _ in range(rows)]
    scores: list[list[float]] = [[] for _ in range(rows)]
    active = torch.arange(rows, device=logits.device)
    ending = torch.tensor(sorted(ends), device=logits.device)
    for step in range(decoding.max_tokens):
        token, score = _draw(logits, decoding, generator)
        for row, drawn, drawn_score in zip(active.tolist(), token.tolist(), score.tolist(), strict=True):
            tokens[row].append(drawn)
            scores[row].append(drawn_score)
        going = torch.isin(token, ending, invert=True).nonzero()[:, 0]
        if len(going) == 0 or step + 1 == decoding.max_tokens:
            break
        if len(going) <= 0.7 * len(token):  # copying the cache costs more than a few rows that idle
            state.select(going)
            active, token = active[going], token[going]
        everywhere = torch.ones_like(token[:, None], dtype=torch.bool)
        positions = state.position[None, :, None].expand(3, -1, 1)
        logits = state.read(model, token[:, None], positions, everywhere, torch.zeros_like(token))
        state.position = state.position + 1
    return [_reply(ids, values, ends) for ids, values in zip(tokens, scores, strict=True)]


def _reply(ids: list[int], scores: list[float], ends: Collection[int]) -> Reply:
    """Cut at the first token that ends it: rows that ended go on being drawn until they are dropped."""
    length = next((place + 1 for place, token_id in enumerate(ids) if token_id in ends), len(ids))
    return Reply(tuple(ids[:length]), tuple(scores[:length]), ids[length - 1] in ends)


def _draw(
    logits: torch.Tensor, decoding: Decoding, generator: torch.Generator | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token per row and its log-probability, after the temperature and before top-p and suppression."""
    import torch

    scaled = logits.float() / (decoding.temperature or 1.0)
    scores = scaled.log_softmax(-1)
    allowed = scaled.clone()
    if decoding.never:
        allowed[:, list(decoding.never)] = float("-inf")
    if decoding.temperature == 0:
        token = allowed.argmax(-1)
    else:
        probabilities = _nucleus(allowed.softmax(-1), decoding.top_p)
        token = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
    return token, scores.gather(1, token[:, None])[:, 0]


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Zero all but the most likely tokens that together reach `top_p` (Holtzman et al., 2020)."""
    import torch

    if top_p >= 1:
        return probabilities
    ordered, order = probabilities.sort(-1, descending=True)
    outside = ordered.cumsum(-1) - ordered >= top_p
    return torch.zeros_like(probabilities).scatter(-1, order, ordered.masked_fill(outside, 0.0))
