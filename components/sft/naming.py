"""First lessons of a vision tower built from scratch: name what is in view.

The mean of a moment's visual tokens goes straight through the language model's final norm and head and predicts the
words of the caption event on screen, as a bag (Joulin et al., 2016, "Learning Visual Features from Large Weakly
Supervised Data"). Pretrained towers come with such knowledge. Without it the tower learns only through attention that
does not look anywhere yet: colours came through, shapes stayed at chance for the whole budget (README).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from components.core.students.frames import VideoPatches
from components.core.students.prompting import Prefix, Prompter
from components.core.students.vision import encode_videos
from components.sft.samples import Lessons

if TYPE_CHECKING:
    import torch


def draw_moments(
    lessons: Sequence[Lessons], prefixes: Sequence[Prefix | None], count: int, rng: Random
) -> list[tuple[VideoPatches, str]]:
    """Single groups of frames as videos of their own, each with the text of the event on screen."""
    shown = [(lesson, prefix.video) for lesson, prefix in zip(lessons, prefixes, strict=True) if prefix is not None]
    drawn: list[tuple[VideoPatches, str]] = []
    while shown and len(drawn) < count:
        lesson, video = shown[len(drawn) % len(shown)]
        group = rng.randrange(len(video.times_s))
        event = lesson.event_at(video.times_s[group])
        if event is not None:
            drawn.append((_group(video, group), event.text))
        elif all(lesson.event_at(time_s) is None for time_s in video.times_s):
            shown.remove((lesson, video))
    return drawn


def naming_loss(model: Any, prompter: Prompter, moments: Sequence[tuple[VideoPatches, str]]) -> torch.Tensor:
    """Cross entropy between the words of each event, equally likely, and what its visual tokens predict."""
    import torch

    encoded = encode_videos(model, [video for video, _ in moments])
    pooled = torch.stack([tokens.mean(0) for tokens in encoded])
    predicted = model.lm_head(model.model.language_model.norm(pooled)).float().log_softmax(-1)
    target = torch.zeros_like(predicted)
    for row, (_, text) in enumerate(moments):
        ids = prompter.encode(f" {text}")
        for token_id in ids:
            target[row, token_id] += 1.0 / len(ids)
    entropy = -torch.xlogy(target, target).sum(1).mean()
    return -(target * predicted).sum(1).mean() - entropy


def _group(video: VideoPatches, group: int) -> VideoPatches:
    """One group of a video."""
    patches = video.grid[0] * video.grid[1]
    pixels = video.pixels[group * patches : (group + 1) * patches]
    return VideoPatches(pixels, video.grid, (video.times_s[group],), video.duration_s)
