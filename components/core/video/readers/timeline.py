"""When each picture is on screen, told from its packet before anything is decoded.

Zero is the moment the first picture is shown; sound before or after the picture moves neither its start nor its end.
Three clocks need care. A transport stream starts wherever its clock stood, and below zero where that is about to wrap.
AVI stamps packets in the order of decoding: where pictures are reordered, only their rank among the decoded says when
they are shown. Where packets can vanish (Matroska, transport streams), nothing is on screen in the hole they leave:
the picture before it must not seem to stay.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

REORDERED = 16
"""Pictures that may be decoded before one that is shown earlier: the most that H.264 and HEVC allow."""
_UNCLAIMED = 256
"""Bytes between two packets of Matroska that headers do not explain."""
_TRIES = 20
_BEFORE_THE_END_S = (2.0, 20.0, 200.0)


@dataclass(frozen=True, slots=True)
class Read:
    """A packet of the picture as it lies in the file; `after_a_hole` where some before it are missing or spoilt."""

    packet: Packet[VideoStream]
    at: int
    after_a_hole: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A packet whose picture is on screen from `at` until `until`, in ticks of the stream."""

    packet: Packet[VideoStream]
    at: int
    until: int
    after_a_hole: bool = False


class Timeline:
    """The clock of one open video. It reads on from where the container stands, and knows the first packets."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        assert stream.time_base is not None  # every demuxer on the list sets one
        self._container, self._stream = container, stream
        self.tick_s = float(stream.time_base)
        rate = stream.average_rate or stream.guessed_rate or 25
        self.usual = max(1, round(1 / (float(rate) * self.tick_s)))
        """Ticks that a picture is usually on screen."""
        self._matroska = container.format.name.startswith("matroska")
        self.may_seek = container.format.name != "mpeg"
        """A program stream stamps few pictures; the times of the others follow from all that came before."""
        self._avi = container.format.name == "avi"
        self.by_rank = self._avi and bool(stream.codec_context.has_b_frames)
        """Whether the n-th picture decoded has the n-th timestamp, whichever packet it came in."""
        self._reading = self.packets()
        self._head = list(self._first_packets(self._reading))
        self.origin = min((read.at for read in self._head if not read.packet.is_discard), default=0)

    def seconds(self, ticks: int) -> float:
        """Seconds from the first picture, to a microsecond."""
        # Adding zero turns -0.0, which a caption would print, into 0.0.
        return round((ticks - self.origin) * self.tick_s, 6) + 0.0

    def ticks(self, seconds: float) -> int:
        """The last tick that is not later than `seconds` from the first picture.

        A timestamp is the time that was meant, rounded to a tick, so that half a tick later still counts; not more
        than half a millisecond, because in AVI a tick is as long as a picture.
        """
        return int((seconds + min(self.tick_s / 2, 0.0005)) / self.tick_s + 1e-6) + self.origin

    def from_the_start(self) -> Iterator[Read]:
        """Every packet, the first time: from the first keyframe on."""
        return chain(self._head, self._reading)

    def rewound(self) -> Iterator[Read]:
        """Every packet, once more."""
        if self._container.format.name.startswith("mpeg"):
            # A search by time ends behind the first keyframe, whose time is later than that of its own bytes.
            self._container.seek(0, unsupported_byte_offset=True)
        else:
            self._container.seek(self._container.start_time or 0)
        return self.packets()

    def packets(self) -> Iterator[Read]:
        """The packets of the picture from where the container stands."""
        hole, ends_at, highest = False, 0, 0
        for packet in self._demuxed():
            unclaimed = packet.pos - ends_at if self._matroska and ends_at and packet.pos is not None else 0
            if packet.pos is not None:
                ends_at = max(ends_at, packet.pos + packet.size)
            at = packet.dts if self._avi or packet.pts is None else packet.pts
            if not packet.size or at is None or packet.stream_index != self._stream.index:
                continue
            hole = hole or (unclaimed > _UNCLAIMED and at - highest > REORDERED * self.usual)
            highest = max(highest, at)
            if packet.is_corrupt:
                hole = True  # the demuxer of transport streams counts packets and saw some missing inside this one
                continue
            yield Read(packet, at, hole)
            hole = False

    def _demuxed(self) -> Iterator[Packet[Any]]:
        """Packets of the picture; of everything in Matroska, where bytes that belong to no packet betray a hole."""
        import av

        for _ in range(_TRIES):
            try:
                if self._matroska:
                    yield from self._container.demux()
                else:
                    yield from self._container.demux(self._stream)
                return
            except av.InvalidDataError:
                continue  # the demuxer goes on behind what it could not read

    def on_screen(self, packets: Iterable[Read]) -> Iterator[Shown]:
        """Packets in the order of decoding, each with the time that its picture stays.

        A picture stays until the next one is shown, which is known once no packet still to come can be shown earlier.
        """
        waiting: deque[Read] = deque()
        stamps: list[int] = []

        def shown(read: Read, until: int) -> Shown:
            return Shown(read.packet, read.at, until, read.after_a_hole)

        def following(read: Read, otherwise: int) -> int:
            index = bisect_right(stamps, read.at)
            return stamps[index] if index < len(stamps) else otherwise

        for read in packets:
            if read.after_a_hole:
                # The picture after any of these may be in the hole.
                yield from (shown(each, min(self._ends(each), following(each, self._ends(each)))) for each in waiting)
                waiting.clear()
                stamps.clear()
            waiting.append(read)
            if not read.packet.is_discard:
                insort(stamps, read.at)
            while len(stamps) - bisect_right(stamps, waiting[0].at) > REORDERED:
                first = waiting.popleft()
                yield shown(first, following(first, first.at))
            if len(stamps) > 8 * REORDERED:
                del stamps[: bisect_left(stamps, min(each.at for each in waiting))]
        yield from (shown(each, following(each, self._ends(each))) for each in waiting)

    def end(self) -> int:
        """The tick when the last picture leaves the screen. Moves the container to its end."""
        length = self._container.duration or 0
        for back_s in _BEFORE_THE_END_S if length and self.may_seek else ():
            target_s = (length + (self._container.start_time or 0)) / 1_000_000 - back_s
            if target_s <= self.origin * self.tick_s:
                break
            self._container.seek(int(target_s / self.tick_s), stream=self._stream)
            if (ends := self._last(self.packets())) is not None:
                return ends
        ends = self._last(self.rewound())
        return self.origin if ends is None else ends

    def _last(self, packets: Iterable[Read]) -> int | None:
        last = max((read for read in packets if not read.packet.is_discard), key=lambda read: read.at, default=None)
        return None if last is None else self._ends(last)

    def _ends(self, read: Read) -> int:
        """When a picture leaves the screen if none follows."""
        return read.at + (read.packet.duration or self.usual)

    def _first_packets(self, packets: Iterator[Read]) -> Iterator[Read]:
        """From the first keyframe on, as many as it takes to know which is shown first."""
        first: int | None = None
        shown = 0
        for read in packets:
            if first is None and not read.packet.is_keyframe:
                continue
            first = read.at if first is None else first
            # Pictures shown before the first keyframe refer to others that are not in the file.
            if read.at < first:
                continue
            yield read
            shown += not read.packet.is_discard
            if shown > REORDERED:
                return
