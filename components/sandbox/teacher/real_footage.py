"""What can honestly be measured of footage that shows no clean shapes.

Shots by change of picture and of colour histogram, and for each its dominant colours, its brightness, the direction
of its global motion by phase correlation, and how much changes from frame to frame. It names no object and claims no
meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from components.sandbox.teacher.vocabulary import BRIGHTNESS, MOVEMENT, Picture

SMALL = (64, 48)
"""Width and height in pixels at which footage is measured."""
CUT_HISTOGRAM = 0.45
CUT_PICTURE = 28.0
LEAST_SHOT_S = 1.0
_BRIGHTNESS_LEVELS = (40, 85, 140, 190)
_MOVEMENT_LEVELS = (2.5, 8.0, 18.0)
_ANCHORS = {
    "red": (190, 40, 40),
    "orange": (225, 125, 35),
    "yellow": (225, 210, 60),
    "green": (60, 140, 60),
    "cyan": (60, 180, 190),
    "blue": (50, 90, 190),
    "purple": (140, 70, 170),
    "brown": (115, 75, 45),
}


def shrink(pixels: np.ndarray) -> np.ndarray:
    """A frame at the size of measuring: uint8 RGB (48, 64, 3)."""
    return np.asarray(Image.fromarray(pixels).resize(SMALL, Image.Resampling.BOX))


def find_cuts(times: Sequence[float], small: Sequence[np.ndarray]) -> list[int]:
    """Indices of the frames that begin a shot; the first is 0. Shots are at least a second long."""
    cuts = [0]
    for index in range(1, len(small)):
        if times[index] - times[cuts[-1]] >= LEAST_SHOT_S and _is_cut(small[index - 1], small[index]):
            cuts.append(index)
    return cuts


def _is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    change = np.abs(before.astype(np.int16) - after.astype(np.int16)).mean()
    overlap = np.minimum(_histogram(before), _histogram(after)).sum()
    return bool(1 - overlap > CUT_HISTOGRAM and change > CUT_PICTURE)


def _histogram(small: np.ndarray) -> np.ndarray:
    """Shares of 64 colours: (64,), summing to one."""
    coarse = (small >> 6).reshape(-1, 3).astype(np.int64)
    return np.bincount(coarse @ np.array([16, 4, 1]), minlength=64) / len(coarse)


def describe_shots(times: Sequence[float], pixels: Sequence[np.ndarray], duration_s: float) -> list[dict[str, Any]]:
    """Caption events that tile [0, duration_s): one per shot, with what was measured of it."""
    small = [shrink(frame) for frame in pixels]
    cuts = find_cuts(times, small)
    starts = [0.0, *(times[cut] for cut in cuts[1:]), duration_s]
    ends = [*cuts[1:], len(small)]
    return [
        {"start_s": starts[i], "end_s": starts[i + 1], "text": str(measure(small[cuts[i] : ends[i]]))}
        for i in range(len(cuts))
        if starts[i + 1] > starts[i]
    ]


def measure(shot: Sequence[np.ndarray]) -> Picture:
    """Colours, brightness, motion and movement of the frames of one shot."""
    stack = np.stack(shot).astype(np.float32)
    grey = stack.mean(axis=3)
    changes = np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2)) if len(shot) > 1 else np.zeros(1)
    movement = MOVEMENT[int(np.searchsorted(_MOVEMENT_LEVELS, float(changes.mean())))]
    brightness = BRIGHTNESS[int(np.searchsorted(_BRIGHTNESS_LEVELS, float(grey.mean())))]
    return Picture(_dominant_colours(stack), brightness, _global_motion(grey), movement)


def _dominant_colours(stack: np.ndarray) -> tuple[str, ...]:
    """The one or two colours that cover most; the second only if it covers a fifth."""
    pixels = stack[:: max(1, len(stack) // 8)].reshape(-1, 3)
    top, low = pixels.max(axis=1), pixels.min(axis=1)
    names = np.array([*_ANCHORS, "black", "grey", "white"])
    anchors = np.array(list(_ANCHORS.values()), dtype=np.float32)
    chroma = pixels - pixels.mean(axis=1, keepdims=True)
    kinds = anchors - anchors.mean(axis=1, keepdims=True)
    # By direction of chroma, with a little weight for brightness, which tells brown from orange.
    chroma /= np.linalg.norm(chroma, axis=1, keepdims=True) + 1e-6
    kinds /= np.linalg.norm(kinds, axis=1, keepdims=True)
    likeness = chroma @ kinds.T - np.abs(pixels.mean(axis=1)[:, None] - anchors.mean(axis=1)[None]) / 400
    index = likeness.argmax(axis=1)
    flat = top - low < 28 + 0.08 * top
    index = np.where(flat, len(anchors) + np.searchsorted((50, 200), pixels.mean(axis=1)), index)
    index = np.where(top < 40, len(anchors), index)
    shares = np.bincount(index, minlength=len(names)) / len(index)
    first, second = np.argsort(-shares, kind="stable")[:2]
    return (str(names[first]), str(names[second])) if shares[second] >= 0.2 else (str(names[first]),)


def _global_motion(grey: np.ndarray) -> str:
    """Where the picture's content moves, by phase correlation of neighbouring frames; voted by their shifts."""
    if len(grey) < 2:
        return "in no clear direction"
    window = np.outer(np.hanning(grey.shape[1]), np.hanning(grey.shape[2])).astype(np.float32)
    spectra = np.fft.rfft2((grey - grey.mean(axis=(1, 2), keepdims=True)) * window)
    cross = spectra[1:] * np.conj(spectra[:-1])
    surfaces = np.fft.irfft2(cross / (np.abs(cross) + 1e-3), s=grey.shape[1:])
    peaks = surfaces.reshape(len(surfaces), -1).argmax(axis=1)
    down, across = np.divmod(peaks, grey.shape[2])
    down = np.where(down > grey.shape[1] // 2, down - grey.shape[1], down)
    across = np.where(across > grey.shape[2] // 2, across - grey.shape[2], across)
    plausible = (np.abs(down) < grey.shape[1] // 4) & (np.abs(across) < grey.shape[2] // 4)
    shift_x, shift_y = float((across * plausible).mean()), float((down * plausible).mean())
    if max(abs(shift_x), abs(shift_y)) < 0.5:
        return "in no clear direction"
    if abs(shift_x) >= abs(shift_y):
        return "to the right" if shift_x > 0 else "to the left"
    return "downwards" if shift_y > 0 else "upwards"
