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

from components.core.students.frames import TEMPORAL_PATCH, VideoPatches, video_patches
from components.core.students.prompting import Prompter
from components.core.students.videos import Videos
from components.core.students.vision import encode_videos
from components.sft.samples import Lessons

if TYPE_CHECKING:
    import torch

Moment = tuple[VideoPatches, str]
"""A group of frames as a video of its own, and the text of what it shows."""


def draw_moments(lessons: Sequence[Lessons], videos: Videos, count: int, rng: Random) -> list[Moment]:
    """Single groups of frames as videos of their own, each with the text of the event on screen."""
    chosen = [rng.choice(lessons) for _ in range(count)]
    drawn: list[Moment] = []
    for lesson, frames in zip(chosen, videos.frames([lesson.video.video_id for lesson in chosen]), strict=True):
        if frames is None:
            continue
        first = rng.randrange(0, len(frames), TEMPORAL_PATCH)
        event = lesson.event_at(frames[first].time_s)
        if event is not None:
            shown = videos.moved(frames[first : first + TEMPORAL_PATCH], rng)
            drawn.append((video_patches(shown, lesson.video.duration_s), event.text))
    return drawn


def name_words(lessons: Sequence[Lessons], prompter: Prompter) -> list[int]:
    """Every token that an event is named with."""
    texts = {event.text for lesson in lessons for event in lesson.events}
    return sorted({token_id for text in texts for token_id in prompter.encode(f" {prompter.plain(text)}")})


def words_loss(
    model: Any, prompter: Prompter, moments: Sequence[Moment], names: Sequence[int], *, each_token: bool = False
) -> torch.Tensor:
    """Cross entropy between the words of each event, equally likely, and what its visual tokens predict.

    Args:
        names: the words that there are, as `name_words` gives them. Among the whole vocabulary, the tokens that name
            nothing would all learn alike to be none of it, and nothing would tell one second from another.
        each_token: every visual token by itself predicts all of the words, not their mean.
    """
    import torch

    predicted = model("words", [video for video, _ in moments], names, each_token)
    places = {token_id: place for place, token_id in enumerate(names)}
    target = torch.zeros(len(moments), predicted.shape[-1], device=predicted.device)
    for row, (_, text) in enumerate(moments):
        ids = prompter.encode(f" {prompter.plain(text)}")
        for token_id in ids:
            target[row, places[token_id]] += 1.0 / len(ids)
    entropy = -torch.xlogy(target, target).sum(1).mean()
    meant = target[:, None] if each_token else target
    return -(meant * predicted).sum(-1).mean() - entropy


def scale_tokens(model: Any, moments: Sequence[Moment], norm: float) -> float:
    """Scale the tower's last layer so that its tokens have this norm in the mean; returns what it was.

    Naming goes through a norm that forgets lengths, so tokens grow to fifty times a word's. Whatever the first layers
    add to them, such as the second that they belong to, would vanish beside that.

    Args:
        model: a packed model.
    """
    import torch

    last = model.model.model.visual.merger.mlp[-1]
    with torch.no_grad():
        tokens = torch.cat(encode_videos(model.model, [video for video, _ in moments]))
        before = float(tokens.norm(dim=-1).mean())
        for part in (last.weight, last.bias):
            part.mul_(norm / before)
    return before
