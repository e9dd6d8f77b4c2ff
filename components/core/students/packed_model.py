"""A student as one module: its forward holds vision, embedding, language model and head, and nothing else does.

DDP, ZeRO and FSDP gather, partition and reduce in hooks of the module that is called. A part that is called past its
whole, as `model.lm_head(…)` from a loss would, escapes them: gradients are not reduced, or a weight is not there. So
whoever trains or samples calls the whole and says what for:

    model("score", rows, temperature)                log-probabilities of packed rows' scored tokens
    model("words", videos, among, each)              which of some words the mean visual token predicts, or each one
    model("read", ids, positions, mask, …)           logits of chosen tokens, with a cache: what sampling is made of

The head runs in chunks: the logits of 8 × 4,096 replies over 152,064 tokens take 20 GB in float32, and a backward pass
holds them twice. Of several chunks each is computed again in the backward pass, so that one is held at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from components.core.students.block_attention import attend_in_blocks, blocks_of
from components.core.students.packing import Packed, attention_mask
from components.core.students.precision import autocast
from components.core.students.vision import encode_videos

if TYPE_CHECKING:
    import torch

    from components.core.students.frames import VideoPatches
    from components.core.students.prompting import Prefix

LOGITS_AT_ONCE = 1 << 27
"""Logits in a chunk of the head: 0.5 GB in float32, 880 tokens over the vocabulary of the 7B; a laptop's step is one.

A head of 32,000 tokens over 2,048 places, forward and backward: 753 MiB whole, 57 MiB in chunks of 128 (tested)."""


def packed_model(model: Any) -> Any:
    """The module around a `Qwen2_5_VLForConditionalGeneration`; its weights are the model's own."""
    return _module_type()(model)


def log_probabilities(model: Any, rows: Sequence[Packed], temperature: float = 1.0) -> list[list[torch.Tensor]]:
    """Of every scored token, by row and by segment.

    Args:
        model: a packed model, or what wraps one.
        temperature: divides the logits, as sampling does.
    """
    chosen = model("score", rows, temperature).split([int(row.scored.sum()) for row in rows])
    result: list[list[torch.Tensor]] = []
    for row, values in zip(rows, chosen, strict=True):
        owners = row.owners[row.scored].to(values.device)
        result.append([values[owners == owner] for owner in row.segments])
    return result


@cache
def _module_type() -> type[torch.nn.Module]:
    """The class, made here so that importing this module does not import torch."""
    import torch
    from torch.nn import functional
    from torch.nn.utils.rnn import pad_sequence
    from torch.utils.checkpoint import checkpoint

    class PackedModel(torch.nn.Module):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        @property
        def device(self) -> torch.device:
            """Where its inputs belong."""
            device: torch.device = self.model.device
            return device

        def forward(self, what: str, *given: Any, **named: Any) -> torch.Tensor | None:
            """Compute what is asked for, in the arithmetic that was noted on the model."""
            compute: Any = {"score": self._score, "words": self._words, "read": self._read}[what]
            with autocast(self.model):
                computed: torch.Tensor | None = compute(*given, **named)
            return computed

        def _score(self, rows: Sequence[Packed], temperature: float = 1.0) -> torch.Tensor:
            """Log-probabilities (n,) in float32 of the n scored tokens, row by row."""
            if attend_in_blocks(self.model.model.language_model):
                return self._score_in_blocks(rows, temperature)
            device = self.device
            ids = pad_sequence([row.token_ids for row in rows], batch_first=True).to(device)
            owners = pad_sequence([row.owners for row in rows], batch_first=True, padding_value=-1).to(device)
            scored = pad_sequence([row.scored for row in rows], batch_first=True).to(device)
            parents = pad_sequence([row.parents for row in rows], batch_first=True).to(device)
            predictors = pad_sequence([row.predictors for row in rows], batch_first=True).to(device)
            positions = pad_sequence([row.positions.T for row in rows], batch_first=True).permute(2, 0, 1).to(device)
            batch, place = scored.nonzero(as_tuple=True)
            embedded = self._embed(ids, [row.prefix for row in rows])
            hidden = self._run(embedded, positions, attention_mask(owners, parents))
            return self._score_in_chunks(hidden[batch, predictors[batch, place]], ids[batch, place], temperature)

        def _score_in_blocks(self, rows: Sequence[Packed], temperature: float) -> torch.Tensor:
            """The same with all rows one behind the other."""
            starts = [0, *accumulate(len(row.token_ids) for row in rows)]
            ids = torch.cat([row.token_ids for row in rows])
            positions = torch.cat([row.positions for row in rows], dim=1)
            scored = torch.cat([row.scored for row in rows])
            predictors = torch.cat([row.predictors + start for row, start in zip(rows, starts, strict=False)])
            embedded = self._embed(ids[None], [row.prefix for row in rows])
            hidden = self._run(embedded, positions[:, None], None, blocks=blocks_of(rows))
            return self._score_in_chunks(hidden[0].index_select(0, predictors[scored]), ids[scored], temperature)

        def _words(self, videos: Sequence[VideoPatches], among: Sequence[int], each: bool = False) -> torch.Tensor:
            """Log-probabilities (videos, words) in float32, by final norm and head alone.

            Args:
                among: the words it is one of, as token ids.
                each: of every visual token by itself, (videos, tokens, words); videos have equal sizes then.
            """
            encoded = torch.stack(encode_videos(self.model, videos)) if each else None
            if encoded is None:
                encoded = torch.stack([tokens.mean(0) for tokens in encode_videos(self.model, videos)])
            normed = self.model.model.language_model.norm(encoded)
            weight = self.model.lm_head.weight.index_select(0, torch.tensor(among, device=encoded.device))
            return functional.linear(normed, weight).float().log_softmax(-1)

        def _read(
            self,
            ids: torch.Tensor,
            positions: torch.Tensor,
            mask: torch.Tensor,
            *,
            cache: Any,
            prefixes: Sequence[Prefix] | None = None,
            wanted: torch.Tensor | None = None,
        ) -> torch.Tensor | None:
            """Run (rows, new) tokens at (3, rows, new) behind what `cache` holds.

            Args:
                mask: (rows, 1, new, seen + new), true where a token may see another.
                prefixes: of each row, where the tokens begin with a video.
                wanted: the place in each row (rows,) whose logits (rows, vocabulary) are returned; None returns None.
            """
            embedded = self._embed(ids, prefixes) if prefixes is not None else self._embed_text(ids)
            hidden = self._run(embedded, positions, mask, cache)
            if wanted is None:
                return None
            logits: torch.Tensor = self.model.lm_head(hidden[torch.arange(len(ids), device=hidden.device), wanted])
            return logits

        def _embed(self, ids: torch.Tensor, prefixes: Sequence[Prefix]) -> torch.Tensor:
            """(batch, length, hidden): the pads of each row's prefix, which it begins with, are its video.

            A video shared by identity is encoded once.
            """
            embedded = self._embed_text(ids)
            unique = {id(prefix.video): prefix.video for prefix in prefixes if prefix.video.times_s}
            if not unique:
                return embedded
            encoded = dict(zip(unique, encode_videos(self.model, list(unique.values())), strict=True))
            visual = torch.cat([encoded[id(prefix.video)] for prefix in prefixes if prefix.video.times_s])
            pads = (ids == self.model.config.video_token_id)[..., None].expand_as(embedded)
            return embedded.masked_scatter(pads, visual.to(embedded.dtype))

        def _embed_text(self, ids: torch.Tensor) -> torch.Tensor:
            """As the residual stream begins: in float32, also where weights are stored in bfloat16."""
            embedded: torch.Tensor = self.model.get_input_embeddings()(ids)
            return embedded.float()

        def _run(
            self,
            embedded: torch.Tensor,
            positions: torch.Tensor,
            mask: torch.Tensor | None,
            cache: Any = None,
            **named: Any,
        ) -> torch.Tensor:
            hidden: torch.Tensor = self.model.model.language_model(
                inputs_embeds=embedded,
                position_ids=positions,
                attention_mask={"full_attention": mask},
                past_key_values=cache,
                use_cache=False,
                **named,
            ).last_hidden_state
            return hidden

        def _score_in_chunks(self, hidden: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
            """Log-probabilities of the targets (n,) from (n, hidden).

            Its weight is taken once: ZeRO-3 gathers it for each call of the head; ranks have different numbers of
            chunks, and one that gathers more often than the others ends them all.
            """
            weight = self.model.lm_head.weight
            at_once = max(1, LOGITS_AT_ONCE // self.model.config.get_text_config().vocab_size)
            if len(targets) <= at_once:
                return self._score_tokens(weight, hidden, targets, temperature)
            parts = zip(hidden.split(at_once), targets.split(at_once), strict=True)
            return torch.cat(
                [checkpoint(self._score_tokens, weight, *part, temperature, use_reentrant=False) for part in parts]
            )

        @staticmethod
        def _score_tokens(
            weight: torch.Tensor, hidden: torch.Tensor, targets: torch.Tensor, temperature: float
        ) -> torch.Tensor:
            logits = functional.linear(hidden, weight).float() / temperature
            scores: torch.Tensor = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
            return scores

    return PackedModel
