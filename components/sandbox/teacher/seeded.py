"""Choices that look random and repeat exactly: drawn from a digest of what is chosen for, never from a clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

Choice = TypeVar("Choice")


def number(*keys: object) -> int:
    """A 64-bit number fixed by the keys."""
    text = "\x1f".join(str(key) for key in keys)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def chance(*keys: object) -> float:
    """A number in [0, 1) fixed by the keys."""
    return number(*keys) / 2**64


def pick(choices: Sequence[Choice], *keys: object) -> Choice:
    """One of the choices, by its own text: where it stands among them plays no part."""
    return max(choices, key=lambda choice: number(*keys, choice))


def shuffled(choices: Iterable[Choice], *keys: object) -> list[Choice]:
    """The choices in an order fixed by the keys and by their own texts."""
    return sorted(choices, key=lambda choice: number(*keys, choice))
