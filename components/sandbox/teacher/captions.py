"""From frames to caption events that tile the clip.

A boundary is the time of the first frame that shows the new scene: nothing earlier is known. Scenes seen in a single
frame between two equal ones are flicker and are merged away when frames are dense; at one frame a second they may be
real and stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.sandbox.teacher.blobs import Blob, classify, decode, find_blobs, name_colours
from components.sandbox.teacher.real_footage import describe_shots
from components.sandbox.teacher.tracks import SURE, Track, follow
from components.sandbox.teacher.vocabulary import Sighting, Thing, write_sightings

DENSE_S = 0.6
"""Frames at most this far apart are dense enough to tell flicker from an event."""
LEAST_TRAVEL = 0.06
"""A shape moves if it travels at least this share of the frame's longer side within an event."""
PLAIN_SPREAD = 14.0
"""How far a channel of a plain ground may be from its median, of 255."""
PLAIN_SHARE = 0.7
PLAIN_FRAMES = 0.6
"""The share of frames that must be plain for a clip to be captioned by its shapes."""
GROUND_SHARE = 0.3
SPECKS_SHARE = 0.02
"""What may be named a colour and be neither shape nor ground, such as small print, as a share of the frame."""


@dataclass(frozen=True)
class Scene:
    """A run of frames, first and last included, with one set of shapes in view."""

    first: int
    last: int
    things: frozenset[Thing]


def write_caption(frames: Sequence[tuple[float, str]], duration_s: float) -> list[dict[str, Any]]:
    """Events `{"start_s", "end_s", "text"}` that tile [0, duration_s), from frames (time in seconds, data URI).

    Raises:
        ValueError: there are no frames, or one of them is no image.
    """
    if not frames:
        raise ValueError("a caption needs at least one frame")
    ordered = sorted(frames, key=lambda frame: frame[0])
    times = [time_s for time_s, _ in ordered]
    pixels = [decode(image) for _, image in ordered]
    blobs = []
    plain = 0
    for picture in pixels:
        names = name_colours(picture)
        blobs.append(find_blobs(names))
        plain += is_plain(picture, names, blobs[-1])
    dense = len(times) > 1 and float(np.median(np.diff(times))) <= DENSE_S
    tracks = [track for track in follow(blobs, longest_gap=int(dense)) if track.certainty >= SURE / 2]
    if not tracks or plain < PLAIN_FRAMES * len(pixels):
        return describe_shots(times, pixels, duration_s)
    scenes = scenes_of(tracks, len(times))
    if dense:
        scenes = merge_flicker(scenes)
    longer_side = max(pixels[0].shape[:2])
    starts = [0.0, *(times[scene.first] for scene in scenes[1:]), duration_s]
    return [
        {"start_s": starts[index], "end_s": starts[index + 1], "text": _describe(scene, tracks, longer_side)}
        for index, scene in enumerate(scenes)
        if starts[index + 1] > starts[index]
    ]


def is_plain(pixels: np.ndarray, names: np.ndarray, blobs: Sequence[Blob]) -> bool:
    """Whether a frame shows flat shapes on a plain ground.

    A fair part of it has no shape's colour, most of that is of one level, and most of the rest belongs to blobs that
    have a shape or are cut by the frame's edge.
    """
    thinned = names[::3, ::3]
    ground = pixels[::3, ::3][thinned == 0]
    if len(ground) < GROUND_SHARE * thinned.size:
        return False
    shaped = sum(blob.area for blob in blobs if blob.touches_edge or classify(blob)[1] >= SURE)
    if shaped < PLAIN_SHARE * np.count_nonzero(thinned) * 9 - SPECKS_SHARE * names.size:
        return False
    level = np.median(ground, axis=0)
    near = np.abs(ground.astype(np.int16) - level.astype(np.int16)).max(axis=1) < PLAIN_SPREAD
    return bool(near.mean() >= PLAIN_SHARE)


def scenes_of(tracks: Sequence[Track], count: int) -> list[Scene]:
    """Runs of frames with a constant set of shapes in view; a gap within a track counts as seen."""
    views: list[set[Thing]] = [set() for _ in range(count)]
    for track in tracks:
        for frame in range(track.frames[0], track.frames[-1] + 1):
            views[frame].add(track.thing)
    return _runs(views)


def _runs(views: Sequence[set[Thing] | frozenset[Thing]]) -> list[Scene]:
    scenes: list[Scene] = []
    for frame, view in enumerate(views):
        if scenes and scenes[-1].things == view:
            scenes[-1] = Scene(scenes[-1].first, frame, scenes[-1].things)
        else:
            scenes.append(Scene(frame, frame, frozenset(view)))
    return scenes


def merge_flicker(scenes: Sequence[Scene]) -> list[Scene]:
    """Scenes without those of a single frame that frames before and after belie."""
    views: list[frozenset[Thing]] = []
    for index, scene in enumerate(scenes):
        things = scene.things
        if scene.first == scene.last and 0 < index < len(scenes) - 1:
            before, after = scenes[index - 1].things, scenes[index + 1].things
            # A blink, the blur of a cut, or two scenes blended in one frame.
            if before == after or not things or before | after >= things != before:
                things = after
        views.extend([things] * (scene.last - scene.first + 1))
    return _runs(views)


def _describe(scene: Scene, tracks: Sequence[Track], longer_side: int) -> str:
    sightings = []
    for thing in scene.things:
        shown = [track for track in tracks if track.thing == thing]
        ways = {_direction(track, scene, longer_side) for track in shown} - {""}
        sightings.append(Sighting(thing, min(ways) if ways else ""))
    return write_sightings(sightings)


def _direction(track: Track, scene: Scene, longer_side: int) -> str:
    """Which way the shape travels within the scene, by where it is seen first and last."""
    seen = [i for i, frame in enumerate(track.frames) if scene.first <= frame <= scene.last]
    clear = [i for i in seen if track.whole[i]]
    seen = clear if len(clear) > 1 else seen
    if len(seen) < 2:
        return ""
    (from_x, from_y), (to_x, to_y) = track.centres[seen[0]], track.centres[seen[-1]]
    across, down = to_x - from_x, to_y - from_y
    if max(abs(across), abs(down)) < LEAST_TRAVEL * longer_side:
        return ""
    if abs(across) >= abs(down):
        return "right" if across > 0 else "left"
    return "down" if down > 0 else "up"
