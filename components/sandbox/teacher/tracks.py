"""Following shapes from frame to frame, so that one bad look does not make an event.

A blob carries on a track of its colour that was seen in the last frame or two, unless both are surely different
shapes: a square where a circle of that colour was is another thing. What shape a track is, is voted by its blobs, each
with its confidence, so that a shape leaving the frame or half covered keeps its name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from components.sandbox.teacher.blobs import Blob, classify
from components.sandbox.teacher.vocabulary import Thing

SURE = 0.4
"""Confidence from which a blob's own shape counts against a track's."""


@dataclass
class Track:
    """One appearance of one shape.

    Attributes:
        frames: indices of the frames it is seen in, ascending.
        centres: where its box is centred in each of these, (x, y) in pixels.
        whole: whether it was clear of the frame's edge in each of these.
    """

    colour: str
    frames: list[int] = field(default_factory=list)
    centres: list[tuple[float, float]] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    votes: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def shape(self) -> str:
        """The shape most of its looks agree on."""
        return max(self.votes, key=lambda shape: self.votes[shape])

    @property
    def certainty(self) -> float:
        """Mean confidence of the looks that gave it its shape."""
        return self.votes[self.shape] / len(self.frames)

    @property
    def thing(self) -> Thing:
        return Thing(self.colour, self.shape)

    def see(self, frame: int, blob: Blob, shape: str, confidence: float) -> None:
        """Add one look."""
        if self.frames and self.frames[-1] == frame:  # a second patch of a covered shape: the larger one stands
            return
        self.frames.append(frame)
        self.centres.append(blob.centre)
        self.whole.append(not blob.touches_edge)
        self.votes[shape] += confidence + 0.01


def follow(frames: Sequence[Sequence[Blob]], longest_gap: int = 1) -> list[Track]:
    """Tracks over the blobs of consecutive frames, in order of appearance.

    Args:
        longest_gap: frames that a shape may be unseen, as behind another one, and still be the same appearance.
    """
    tracks: list[Track] = []
    for index, blobs in enumerate(frames):
        live = [track for track in tracks if index - track.frames[-1] <= longest_gap + 1]
        for blob in blobs:
            shape, confidence = classify(blob)
            track = _track_of(blob, shape, confidence, live, index)
            if track is None:
                track = Track(blob.colour)
                tracks.append(track)
                live.append(track)
            track.see(index, blob, shape, confidence)
    return tracks


def _track_of(blob: Blob, shape: str, confidence: float, live: Sequence[Track], index: int) -> Track | None:
    """The live track that the blob carries on: of its colour, not surely another shape, the nearest."""
    fitting = [
        track
        for track in live
        if track.colour == blob.colour
        and (track.shape == shape or confidence < SURE or track.certainty < SURE)
        and (track.frames[-1] < index or _is_inside(track, blob))
    ]
    return min(fitting, key=lambda track: _distance(track, blob), default=None)


def _distance(track: Track, blob: Blob) -> float:
    x, y = track.centres[-1]
    return (x - blob.centre[0]) ** 2 + (y - blob.centre[1]) ** 2


def _is_inside(track: Track, blob: Blob) -> bool:
    """Whether a further patch in the same frame lies within reach of the one already seen."""
    left, top, right, bottom = blob.box
    return _distance(track, blob) <= (max(right - left, bottom - top) * 1.5) ** 2
