"""Pictures at the times asked for, decoding no packet that none of them needs.

What plain decoding from the first packet would show, for less: a picture that nobody asked for and no other refers to
is skipped, packets between the last picture wanted and the next keyframe are dropped, and where the next time is far a
seek passes over what lies between. Pixels stay the same, because what a wanted picture refers to is always decoded.

A decoder may still not deliver a picture after such a jump: a keyframe of an intra-refresh stream is whole only some
pictures later. Such a picture is read again, from an earlier keyframe and then from the first, decoding everything.
What is still missing is damaged: from a packet that cannot be decoded to the next keyframe no picture is returned,
because it would be made of what is not there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from components.core.video.readers.timeline import REORDERED, Read, Shown, Timeline

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SEEK_GAP_S = 2.0
"""Below this gap between two wanted times reading on is cheaper than a seek (GOPs of 2 s and more are usual)."""
_SEARCH_GAP_S = 10.0
"""The same where the container has no index and a seek searches the file."""
_EARLIER_S = (0.0, 0.5, 2.0, 8.0, 32.0)
_RUN_UP_S = 15.0
"""How much earlier everything is decoded for a picture that a jump did not deliver: a refresh takes no longer."""
_HELD_PACKETS = 500
"""Packets kept undecoded at most, in case a wanted picture refers to them."""
_SKIPS = frozenset({"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video"})
"""Decoders that skip a picture to which no other refers when told to."""

Take = Callable[[int, "VideoFrame"], None]


class PacketPlan:
    """Reads the pictures of one open video at rising times."""

    def __init__(self, container: InputContainer, stream: VideoStream, timeline: Timeline, take: Take) -> None:
        self._container, self._stream, self._timeline = container, stream, timeline
        self._decoding = _Decoding(stream, timeline, take)
        self._at_start = True

    def read(self, asked: Sequence[int]) -> dict[int, int]:
        """Hand each picture on screen at a time asked for to `take`, once, with its timestamp.

        Args:
            asked: ticks, rising.

        Returns:
            the picture's timestamp by the tick asked for, without the times whose picture cannot be read.
        """
        answers: dict[int, int] = {}
        open_ = list(asked)
        for run_up_s in (None,) if self._timeline.by_rank else (0.0, _RUN_UP_S, None):
            if not open_:
                break
            attempt = _Attempt(self._timeline, self._decoding, open_, frugal=run_up_s == 0.0)
            while attempt.open:
                attempt.run(self._landed(attempt.open[0], run_up_s), self._far)
            answers |= attempt.answers
            open_ = attempt.undelivered
        return answers

    def read_keyframes(self, asked: Sequence[int], reach: int, shown: tuple[int, int]) -> dict[int, int]:
        """Hand a keyframe shown less than `reach` from each time asked for to `take`; decode nothing else.

        Args:
            asked: ticks, rising by more than twice the reach.
            shown: from when until when the keyframes must come up, ticks.

        Returns:
            the keyframe's timestamp by the tick asked for, without the times that have none so near.
        """
        answers: dict[int, int] = {}
        for tick in asked:
            read = self._keyframe(max(shown[0], tick - reach), min(shown[1], tick + reach))
            if read is not None and self._decoding.alone(read):
                answers[tick] = read.at
        return answers

    def _keyframe(self, first: int, last: int) -> Read | None:
        """A keyframe that comes up from `first` until `last`, ticks."""
        timeline = self._timeline
        if timeline.by_rank or not timeline.may_seek:
            return None
        self._at_start = False
        indexed = len(self._stream.index_entries) > 0
        # By its index a container lands on the last keyframe; without one it lands anywhere before.
        if not self._sought(last - 1 if indexed else first):
            return None
        for read in timeline.packets():
            if read.packet.is_keyframe and first <= read.at < last:
                return read
            if indexed or read.at >= last:
                break
        return None

    def _landed(self, tick: int, run_up_s: float | None) -> Iterator[Read]:
        """Packets from a keyframe shown no later than `tick`: the nearest, one `run_up_s` earlier, or the first."""
        timeline = self._timeline
        for earlier_s in _EARLIER_S if run_up_s is not None and timeline.may_seek else ():
            target = tick - int((earlier_s + (run_up_s or 0.0)) / timeline.tick_s)
            if target <= timeline.origin or (self._at_start and not self._far(timeline.origin, target)):
                break
            self._at_start = False
            if not self._sought(target):
                continue
            reads = timeline.packets()
            landed = next((read for read in reads if read.packet.is_keyframe or read.at > tick), None)
            if landed is not None and landed.packet.is_keyframe and landed.at <= tick:
                return chain([landed], reads)
        if self._at_start:
            self._at_start = False
            return timeline.from_the_start()
        return timeline.rewound()

    def _sought(self, tick: int) -> bool:
        import av

        try:
            self._container.seek(tick, stream=self._stream)
        except (av.FFmpegError, OSError):
            return False
        return True

    def _far(self, here: int, there: int) -> bool:
        """Whether a seek from one tick to another pays: a keyframe lies between, as far as the index knows."""
        if not self._timeline.may_seek:
            return False
        gap_s = (there - here) * self._timeline.tick_s
        entries = self._stream.index_entries
        if gap_s < SEEK_GAP_S or len(entries) == 0:
            return gap_s > _SEARCH_GAP_S
        index = entries.search_timestamp(there, backward=True)
        return index < 0 or entries[index].timestamp > here


class _Decoding:
    """The decoder: packets in, wanted pictures out."""

    def __init__(self, stream: VideoStream, timeline: Timeline, take: Take) -> None:
        self._context, self._timeline, self._take = stream.codec_context, timeline, take
        self._skips = _skips(stream)
        self._progressive = False
        self._fed = False
        self._ranks: deque[int] = deque()
        self._floor = timeline.origin
        self._ceiling: int | None = None
        self.wanted: set[int] = set()
        self.delivered: set[int] = set()

    def alone(self, keyframe: Read) -> bool:
        """Whether a keyframe could be decoded, from nothing but itself."""
        self.start_at(keyframe.at)
        self.wanted = {keyframe.at}
        sound = self.feed(keyframe.packet, keyframe.at, skip=False)
        self.drain()
        return sound and keyframe.at in self.delivered

    def feed(self, packet: Packet[VideoStream], at: int, *, skip: bool) -> bool:
        """Decode a packet; False where it, or a picture that came out, is damaged."""
        # Fields are packets of their own in some streams: half a picture must not be skipped for being unwanted.
        self._context.skip_frame = "NONREF" if skip and self._skips and self._progressive else "DEFAULT"
        packet.pts = at
        self._fed = True
        self._ranks.append(at)
        frames = self._decoded(packet)
        return frames is not None and self._sort(frames)

    def drain(self) -> None:
        """Get what the decoder still holds, and start anew."""
        if self._fed:
            # What does not come out any more is missed by whoever wanted it.
            self._sort(self._decoded(None) or [])
            self._context.flush_buffers()
        self._fed = False
        self._ranks.clear()

    def _decoded(self, packet: Packet[VideoStream] | None) -> list[VideoFrame] | None:
        import av

        try:
            return self._context.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            return None

    def start_at(self, keyframe: int) -> None:
        """Pictures shown before this keyframe refer to others that the decoder has not seen."""
        self.drain()
        self._floor, self._ceiling = keyframe, None

    def _sort(self, frames: Iterable[VideoFrame]) -> bool:
        for frame in frames:
            rank = self._ranks.popleft() if self._ranks else None
            stamp = rank if self._timeline.by_rank else frame.pts
            if stamp is None or stamp < self._floor:
                continue
            if frame.is_corrupt and (self._ceiling is None or stamp < self._ceiling):
                self._ceiling = stamp
            if self._ceiling is not None and stamp >= self._ceiling:
                continue
            self._progressive = not frame.interlaced_frame
            if stamp in self.wanted:
                self.wanted.remove(stamp)
                self.delivered.add(stamp)
                self._take(stamp, frame)
        return self._ceiling is None


class _Attempt:
    """One way of reading the times asked for.

    Attributes:
        open: ticks whose packet has not been met yet.
    """

    def __init__(self, timeline: Timeline, decoding: _Decoding, asked: Sequence[int], *, frugal: bool) -> None:
        self._timeline, self._decoding, self._frugal = timeline, decoding, frugal
        self.open = list(asked)
        # What comes out by rank depends on what is still to go in.
        self._lookahead = REORDERED if timeline.by_rank else 0
        self._claimed: dict[int, int] = {}
        self._damaged: set[int] = set()
        decoding.wanted.clear()

    @property
    def answers(self) -> dict[int, int]:
        """The timestamp delivered, by tick asked for."""
        return {tick: stamp for tick, stamp in self._claimed.items() if stamp in self._decoding.delivered}

    @property
    def undelivered(self) -> list[int]:
        """Ticks for which another attempt may do better."""
        lost = {tick for tick, stamp in self._claimed.items() if stamp not in self._decoding.delivered}
        return sorted(lost if self._frugal else lost - self._damaged)

    def run(self, reads: Iterator[Read], far: Callable[[int, int], bool]) -> None:
        """Decode from a landing until no time is open, the file ends, or a seek is cheaper than reading on."""
        decoding = self._decoding
        held: list[tuple[Shown, bool]] = []
        adrift = True
        after_the_last = 0
        for shown in self._timeline.on_screen(reads):
            if shown.after_a_hole:
                decoding.drain()
                held.clear()
                adrift = True
            if shown.packet.is_keyframe and (adrift or self._may_jump_to(shown, held)):
                decoding.start_at(shown.at)
                held.clear()
                adrift = False
                # Whoever asked for a picture before it asked for one in a hole.
                del self.open[: bisect_left(self.open, shown.at)]
            claimed = self._claim(shown)
            if adrift:
                self._damaged.update(claimed)
                continue
            if claimed:
                decoding.wanted.add(shown.at)
            held.append((shown, bool(claimed)))
            if claimed or not self._frugal or len(held) > _HELD_PACKETS:
                adrift = not all(
                    decoding.feed(each.packet, each.at, skip=self._frugal and not wanted) for each, wanted in held
                )
                held.clear()
                if adrift:
                    decoding.drain()
                    self._damaged.update(claimed)
            after_the_last += not self.open
            if after_the_last > self._lookahead or (
                self._frugal and claimed and self.open and far(shown.until, self.open[0])
            ):
                break
        else:
            self.open.clear()
        decoding.drain()

    def _may_jump_to(self, keyframe: Shown, held: list[tuple[Shown, bool]]) -> bool:
        """Whether what is held can be dropped: no picture that is still wanted is shown before the keyframe."""
        return self._frugal and bool(held) and not (self.open and self.open[0] < keyframe.at)

    def _claim(self, shown: Shown) -> list[int]:
        """Close the times at which this picture is on screen."""
        if shown.packet.is_discard:
            return []
        first, last = bisect_left(self.open, shown.at), bisect_left(self.open, shown.until)
        claimed = self.open[first:last]
        del self.open[first:last]
        self._claimed |= dict.fromkeys(claimed, shown.at)
        return claimed


def _skips(stream: VideoStream) -> bool:
    """Whether pictures that the decoder takes for disposable really are.

    HEVC calls a picture disposable to which none of its own temporal layer refers; those of a higher layer may.
    """
    if stream.codec_context.name not in _SKIPS:
        return False
    return stream.codec_context.name != "hevc" or _temporal_layers(stream.codec_context.extradata or b"") == 1


def _temporal_layers(extradata: bytes) -> int:
    """Temporal layers of an HEVC stream, 0 where its headers do not say (ISO/IEC 14496-15, 8.3.3.1; H.265, 7.3.2.1)."""
    if extradata[:1] == b"\x01" and len(extradata) > 21:
        return extradata[21] >> 3 & 7
    at = extradata.find(b"\x00\x00\x01\x40\x01")
    return (int.from_bytes(extradata[at + 5 : at + 7], "big") >> 1 & 7) + 1 if at >= 0 else 0
