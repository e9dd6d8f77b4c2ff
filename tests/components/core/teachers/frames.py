"""Prompts about frames that no video was opened for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.core.teachers.prompts import Prompt, TimedImage


def with_frames(system: str, payload: dict[str, Any], jpegs: Mapping[float, bytes]) -> Prompt:
    """A prompt with a picture for each second; a picture's name is its second."""

    async def pictures() -> Sequence[bytes]:
        return list(jpegs.values())

    return Prompt(system, payload, [TimedImage(time_s, f"picture {time_s}") for time_s in jpegs], pictures)
