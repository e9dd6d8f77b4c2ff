"""What the tests of captioning share: one clip, its inputs, and what is read of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from components.core.data.datasets import Dataset
from components.core.data.rows import CaptionEvent, Segment, Video
from components.sandbox.corpus.clips import learning_clip
from tests.components.writing_stages import write_dataset

LAPTOP = {"rates": [2, 4], "max_pixels": 19_200}
CLIP = learning_clip(3, 0)


def inputs_of(folder: Path, *videos: Video, cuts: Sequence[float] = ()) -> dict[str, Path]:
    """Datasets of some videos, each cut into segments."""
    segments = [
        Segment(segment_id=f"{video.video_id[:8]}-{start:g}", video_id=video.video_id, start_s=start, end_s=end)
        for video in videos
        for start, end in pairwise([0.0, *cuts, video.duration_s])
    ]
    corpus = write_dataset(folder / "corpus", {"videos": videos}, {"videos": Video})
    return {"corpus": corpus, "segments": write_dataset(folder / "in", {"segments": segments}, {"segments": Segment})}


def events_of(dataset: Dataset) -> list[CaptionEvent]:
    """Caption events in order of time."""
    return sorted(dataset.rows("events"), key=lambda event: event.start_s)


def gaps_of(dataset: Dataset) -> list[CaptionEvent]:
    """Seconds that nobody described, in order of time."""
    return sorted(dataset.rejected("events"), key=lambda event: event.start_s)


def whole(asked: dict[str, Any], text: str) -> dict[str, Any]:
    """A captioner's reply: one event over all that it was shown."""
    return {"events": [{"start_s": 0, "end_s": asked["duration_s"], "text": text}]}
