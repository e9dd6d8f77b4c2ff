"""A clip becomes an H.264 file, byte-equal for equal clips: one encoder thread, no dates in the container."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.sandbox.corpus.drawing import paint, paint_clock
from components.sandbox.corpus.scene import Clip, Event, Thing

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame

TICKS = 12_000
"""Time base of every clip, in ticks per second: frames at 5, 8, 10 and 12 per second fall on whole ticks."""
_SHAKES = ((0, 0), (1, 0), (0, 1), (1, 1))


def render(clip: Clip, path: Path) -> None:
    """Encode `clip` to `path`; the container follows the suffix."""
    import av

    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if path.suffix == ".mp4" else {})
    with av.open(str(path), "w", options=options) as container:
        rate = Fraction(len(clip.times_s), 1) / Fraction(clip.duration_s).limit_denominator(1000)
        stream = container.add_stream("libx264", rate=rate.limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.thread_count = 1
        # Two B-frames: readers have to reorder, as they do on real footage. Not in the clock clip: MP4 takes the length
        # of a track from the last packet, which has to be the last frame for uneven frames to keep their times.
        b_frames = "0" if clip.clock else "2"
        stream.codec_context.options = {"preset": "superfast", "crf": "22", "bf": b_frames, "g": "64", "threads": "1"}
        draw = _Painter(clip)
        for time_s, event in clip.frames():
            frame = draw(time_s, event)
            frame.pts, frame.time_base = round(time_s * TICKS), Fraction(1, TICKS)
            _mux(container, stream.encode(frame), clip)
        _mux(container, stream.encode(None), clip)


def _mux(container: OutputContainer, packets: list[Packet[Any]], clip: Clip) -> None:
    """Write packets. The encoder knows no length for the last frame; without one the file would end a frame early."""
    for packet in packets:
        if packet.pts == round(clip.times_s[-1] * TICKS):
            packet.duration = round(clip.duration_s * TICKS) - packet.pts
        container.mux(packet)


class _Painter:
    """Frames of a clip. Equal pictures are drawn and converted once: encoding is then all that is left to pay."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._rng = random.Random(clip.seed)
        self._drawn: dict[object, VideoFrame] = {}
        self._event: Event | None = None

    def __call__(self, time_s: float, event: Event) -> VideoFrame:
        if event is not self._event:
            self._event, self._drawn = event, {}
            self._background = np.full((self._clip.height, self._clip.width, 3), event.background, dtype=np.uint8)
        shake = self._rng.choice(_SHAKES) if self._clip.trembles else (0, 0)
        centres = tuple(self._centre(thing, time_s, event, shake) for thing in event.things)
        key = (centres, time_s if self._clip.clock else None)
        if key not in self._drawn:
            self._drawn[key] = self._draw(event, centres, time_s)
        return self._drawn[key]

    def _draw(self, event: Event, centres: tuple[tuple[float, float], ...], time_s: float) -> VideoFrame:
        import av

        pixels = self._background.copy()
        for thing, centre in zip(event.things, centres, strict=True):
            paint(pixels, thing, centre)
        if self._clip.clock:
            paint_clock(pixels, time_s)
        return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")

    @staticmethod
    def _centre(thing: Thing, time_s: float, event: Event, shake: tuple[int, int]) -> tuple[float, float]:
        done = min(1.0, max(0.0, (time_s - event.start_s) / (event.end_s - event.start_s)))
        x = thing.start[0] + (thing.end[0] - thing.start[0]) * done
        y = thing.start[1] + (thing.end[1] - thing.start[1]) * done
        return x + shake[0], y + shake[1]
