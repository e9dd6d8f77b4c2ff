"""The kinds of file that readers get wrong, each a small video whose frame `n` shows `n`.

Encoded and muxed by PyAV; what its wheel cannot write is made by moving timestamps, cutting packets, or changing bytes.
Its wheel encodes no Theora: the Ogg file holds VP8. Nor does it write field pictures (PAFF) or packed B-frames.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame

TICKS = 1000
SIDE = 64
RATE = 10
CLOCK_HZ = 90_000
"""Ticks per second of a transport stream's clock, which wraps after 2^33 of them."""
WRAPS_AT = 1 << 33


@dataclass(frozen=True)
class Numbered:
    """A video whose frame `n` shows `n`.

    Attributes:
        times_s: when each frame is shown, counted from the first that is.
        first: the number of the first frame shown.
        lost_s: from where to where no frame can be read, seconds; equal where all can.
    """

    path: Path
    times_s: list[float]
    first: int = 0
    lost_s: tuple[float, float] = (0.0, 0.0)

    def on_screen(self, asked_s: float) -> int:
        """The number of the frame shown at a time."""
        return self.first + max(index for index, time_s in enumerate(self.times_s) if time_s <= asked_s + 1e-4)

    def is_lost(self, asked_s: float) -> bool:
        """Whether the frame shown at a time cannot be read."""
        start_s, end_s = self.lost_s
        return start_s <= asked_s < end_s

    @property
    def duration_s(self) -> float:
        """When the last frame leaves the screen, a tenth of a second after it came."""
        return self.times_s[-1] + 1 / RATE


def number_of(pixels: np.ndarray) -> int:
    """The number a frame shows: eight black or white tiles, the lowest bit first."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 4
    tiles = pixels[: 2 * height, : 4 * width].reshape(2, height, 4, width, 3).mean(axis=(1, 3, 4)).ravel()
    return sum(1 << bit for bit, level in enumerate(tiles) if level > 127)


def picture(number: int) -> np.ndarray:
    """The inverse of `number_of`, (SIDE, SIDE, 3)."""
    bits = np.array([(number >> bit) & 1 for bit in range(8)], dtype=np.uint8).reshape(2, 4)
    return np.repeat(np.kron(bits * 255, np.ones((SIDE // 2, SIDE // 4), np.uint8))[..., None], 3, axis=2)


@dataclass(frozen=True)
class Recipe:
    """How a numbered video is made.

    Attributes:
        suffix: of the file, which chooses the container.
        codec: FFmpeg's encoder, with `options` of its own.
        uneven: frames last 20 to 300 ms, drawn at random, in place of 100.
        first_ms: the first frame's timestamp.
        audio_s: seconds of sound beside the picture; none where zero.
        muxer: options of the container.
        alter: what is done to each packet before it is written; None drops it.
        damage: what is done to the file's bytes.
        shown_from: the first frame that is shown.
        lost_s: from where to where no frame can be read.
    """

    suffix: str
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    frames: int = 200
    uneven: bool = False
    first_ms: int = 0
    audio_s: float = 0.0
    aspect: Fraction | None = None
    turned: int = 0
    muxer: dict[str, str] = field(default_factory=dict)
    container: str | None = None
    alter: Callable[[Packet], Packet | None] | None = None
    damage: Callable[[bytes], bytes] | None = None
    shown_from: int = 0
    lost_s: tuple[float, float] = (0.0, 0.0)


def make(name: str, recipe: Recipe, folder: Path) -> Numbered:
    """Encode a recipe to `folder`."""
    path = folder / f"{name.replace(' ', '-').replace(',', '')}{recipe.suffix}"
    pts = _timestamps(name, recipe)
    with av.open(str(path), "w", format=recipe.container, options=recipe.muxer) as container:
        stream = container.add_stream(recipe.codec, rate=RATE)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuvj420p" if recipe.codec == "mjpeg" else "yuv420p"
        tick = Fraction(1, TICKS if recipe.suffix in (".mp4", ".mkv", ".webm", ".ts", ".m2ts", ".flv") else RATE)
        stream.codec_context.time_base = tick
        stream.codec_context.thread_count = 1
        if recipe.codec == "libx264":
            stream.codec_context.options = {"preset": "ultrafast", "g": "25", **recipe.options}
        else:
            stream.codec_context.options = {"g": "25", **recipe.options}
        if recipe.aspect:
            stream.codec_context.sample_aspect_ratio = recipe.aspect
        if recipe.turned:
            stream.set_display_rotation(recipe.turned)
        sound = container.add_stream("libopus", rate=48_000, layout="mono") if recipe.audio_s else None
        packets: list[Packet] = []
        for number, at in enumerate(pts):
            frame = VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = round(at / TICKS / tick), tick
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if sound is not None:
            packets += _sound(sound, recipe.audio_s)
        packets.sort(key=lambda packet: float((packet.dts or 0) * packet.time_base))
        for packet in packets:
            altered = recipe.alter(packet) if recipe.alter and packet.stream is stream else packet
            if altered is not None:
                container.mux(altered)
    if recipe.damage:
        path.write_bytes(recipe.damage(path.read_bytes()))
    shown = pts[recipe.shown_from :]
    return Numbered(path, [(at - shown[0]) / TICKS for at in shown], recipe.shown_from, recipe.lost_s)


def _timestamps(name: str, recipe: Recipe) -> list[int]:
    rng = random.Random(name)
    pts = [recipe.first_ms]
    for _ in range(recipe.frames - 1):
        pts.append(pts[-1] + (rng.choice((20, 40, 100, 300)) if recipe.uneven else TICKS // RATE))
    return pts


def _sound(stream: av.AudioStream, seconds: float) -> Iterable[Packet]:
    frame_size = stream.codec_context.frame_size or 960
    for start in range(0, int(seconds * 48_000), frame_size):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, frame_size), np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def later(seconds: Fraction) -> Callable[[Packet], Packet]:
    """Packets stamped this much later."""

    def alter(packet: Packet) -> Packet:
        ticks = round(seconds / packet.time_base)
        packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
        return packet

    return alter


def without_the_first(seconds: float) -> Callable[[Packet], Packet | None]:
    """A recording that was joined late: its first packets are missing."""
    return lambda packet: packet if (packet.dts or 0) * packet.time_base >= seconds else None


def noise(start: float, end: float) -> Callable[[bytes], bytes]:
    """Bytes between two shares of the file become noise."""

    def damage(content: bytes) -> bytes:
        first, last = int(len(content) * start), int(len(content) * end)
        return content[:first] + random.Random(0).randbytes(last - first) + content[last:]

    return damage


def hole(start: float, end: float) -> Callable[[bytes], bytes]:
    """Bytes between two shares of the file become zero, as a hole in a disk image leaves them."""

    def damage(content: bytes) -> bytes:
        first, last = int(len(content) * start), int(len(content) * end)
        return content[:first] + bytes(last - first) + content[last:]

    return damage


B = {"bf": "3", "b-pyramid": "none"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
X265 = "log-level=error:bframes=3:keyint=25:ctu=16:pools=none:frame-threads=1"
"""With a picture of one block (ctu=64) the encoder gives another file each time, and one in 200 shows wrong numbers."""
KINDS: dict[str, Recipe] = {
    "constant rate": Recipe(".mp4", options={"bf": "0"}),
    "variable rate": Recipe(".mp4", options={"bf": "2"}, uneven=True),
    "variable rate, Matroska": Recipe(".mkv", options={"bf": "2"}, uneven=True),
    "B-frames": Recipe(".mp4", options={"bf": "3"}),
    "B-frames that others refer to": Recipe(".mp4", options={"bf": "7", "b-pyramid": "normal", "b-adapt": "0"}),
    "B-frames, Matroska": Recipe(".mkv", options={"bf": "3"}),
    "open GOP": Recipe(".mp4", options={"x264-params": "open-gop=1:bframes=3:b-adapt=0"}),
    "open GOP, transport stream": Recipe(".ts", options={"x264-params": "open-gop=1:bframes=3:b-adapt=0"}),
    "HEVC": Recipe(".mp4", "libx265", {"x265-params": X265 + ":open-gop=0"}),
    "HEVC, open GOP": Recipe(".mp4", "libx265", {"x265-params": X265 + ":open-gop=1"}),
    "HEVC, temporal layers": Recipe(".mp4", "libx265", {"x265-params": X265 + ":temporal-layers=3:b-adapt=0"}),
    "VP9": Recipe(
        ".webm", "libvpx-vp9", {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "12"}
    ),
    "AV1": Recipe(".mp4", "libsvtav1", {"preset": "10", "crf": "20", "svtav1-params": "keyint=25"}),
    "edit list": Recipe(".mp4", options={"bf": "0"}, first_ms=-1000, shown_from=10),
    "edit list, B-frames": Recipe(".mp4", options={"bf": "2"}, first_ms=-1000, shown_from=10),
    "transport stream": Recipe(".ts", options={"bf": "2"}),
    "transport stream with sound": Recipe(".ts", options={"bf": "2"}, audio_s=20.0, first_ms=80),
    "transport stream from 1.47 s": Recipe(".ts", options={"bf": "2"}, alter=later(Fraction(114_000, CLOCK_HZ))),
    "m2ts": Recipe(".m2ts", options={"bf": "2"}, muxer={"mpegts_m2ts_mode": "1"}),
    "fragmented MP4": Recipe(".mp4", options={"bf": "2"}, muxer=FRAGMENTED),
    "offset, MP4": Recipe(".mp4", options={"bf": "2"}, first_ms=5000),
    "offset, Matroska": Recipe(".mkv", options={"bf": "2"}, first_ms=5000),
    "offset, transport stream": Recipe(".ts", options={"bf": "2"}, first_ms=5000),
    "offset, fragmented MP4": Recipe(".mp4", options={"bf": "2"}, first_ms=5000, muxer=FRAGMENTED),
    "clock wrap": Recipe(".ts", options={"bf": "2"}, alter=later(Fraction(WRAPS_AT, CLOCK_HZ) - 8)),
    "intra-refresh": Recipe(".mp4", options={"bf": "0", "x264-params": "intra-refresh=1:keyint=25"}),
    "intra-refresh, transport stream": Recipe(".ts", options={"bf": "0", "x264-params": "intra-refresh=1:keyint=25"}),
    "AVI, H.264 with B-frames": Recipe(".avi", options={"bf": "3"}),
    "AVI, H.264": Recipe(".avi", options={"bf": "0"}),
    "AVI, MPEG-4 with B-frames": Recipe(".avi", "mpeg4", {"bf": "2", "b": "400k"}),
    "AVI, Motion JPEG": Recipe(".avi", "mjpeg"),
    "OGV": Recipe(".ogv", "libvpx", {"deadline": "realtime", "cpu-used": "8"}, container="ogg"),
    "MPEG program stream": Recipe(".mpg", "mpeg2video", {"bf": "2", "b": "800k"}),
    "FLV": Recipe(".flv", options={"bf": "2"}),
    "Matroska with longer sound": Recipe(".mkv", options={"bf": "2"}, audio_s=30.0),
    "WebM with longer sound": Recipe(".webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, audio_s=30.0),
    "rotation": Recipe(".mp4", options={"bf": "2"}, turned=90),
    "pixel aspect": Recipe(".mp4", options={"bf": "2"}, aspect=Fraction(4, 3)),
    "joined late": Recipe(".ts", options={"bf": "2"}, alter=without_the_first(1.2), shown_from=25),
    "damaged middle, MP4": Recipe(".mp4", options={"bf": "2"}, damage=noise(0.50, 0.60)),
    "damaged middle, Matroska": Recipe(".mkv", options={"bf": "2"}, damage=noise(0.50, 0.60)),
    "damaged middle, transport stream": Recipe(".ts", options={"bf": "2"}, damage=noise(0.50, 0.60)),
    "hole, MP4": Recipe(".mp4", options={"bf": "2"}, damage=hole(0.50, 0.60)),
    "hole, Matroska": Recipe(".mkv", options={"bf": "2"}, damage=hole(0.50, 0.60)),
    "hole, transport stream": Recipe(".ts", options={"bf": "2"}, damage=hole(0.50, 0.60)),
}
