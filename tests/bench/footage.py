"""Footage to measure readers on: textures that pan and turn, in H.264 as streaming services encode it.

Twelve seconds are encoded; a longer file holds the same packets again, so that minutes cost no minutes to make.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

FPS = 24
SECONDS = 12
X264 = {"preset": "veryfast", "crf": "23", "g": "48", "bf": "3", "x264-params": "b-adapt=0"}
"""A keyframe every two seconds, three B-frames in a row, one of which others refer to."""


def film(path: Path, width: int, height: int) -> None:
    """Encode `SECONDS` of footage."""
    rng = np.random.default_rng(0)
    ground = _texture(rng, 2 * height, 2 * width)
    thing = _texture(rng, height // 3, height // 3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = X264
        for number in range(SECONDS * FPS):
            phase = 2 * np.pi * number / (SECONDS * FPS)
            top, left = int((1 + np.cos(phase)) * height / 2), int((1 + np.sin(phase)) * width / 2)
            pixels = ground[top : top + height, left : left + width].copy()
            for turns in range(4):
                y = int((height - len(thing)) * (0.5 + 0.5 * np.cos(phase * (2 + turns))))
                x = int((width - len(thing)) * (0.5 + 0.5 * np.sin(phase * (3 + turns))))
                pixels[y : y + len(thing), x : x + len(thing)] = np.rot90(thing, turns)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def repeat(film: Path, path: Path, times: int) -> None:
    """The packets of a film again and again, later each time."""
    with av.open(str(path), "w") as target:
        written: av.VideoStream | None = None
        for number in range(times):
            with av.open(str(film)) as source:
                stream = source.streams.video[0]
                written = written or target.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.size and packet.pts is not None and packet.dts is not None:
                        later = number * round(SECONDS / packet.time_base)
                        packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, written
                        target.mux(packet)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    from PIL import Image

    coarse = rng.integers(0, 256, (height // 24 + 2, width // 24 + 2, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
