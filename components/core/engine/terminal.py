"""What reaches a terminal or a line of a log: text from models, files and settings cannot steer either.

A caption may hold the escape sequences that clear a screen, retitle a window or turn the reading direction around, and
a file's name half a character that no terminal takes. They are shown as escapes.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TextIO

_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters, ESC and CSI among them
    "\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # direction, separators, the invisible
    "\ud800-\udfff"  # halves of characters
    "\U000e0000-\U000e0fff]"  # tags and selectors that nobody sees
)


def printable(text: object) -> str:
    r"""Text on one line, whatever could steer a terminal written as JSON writes it.

    >>> print(printable("a \x1b[2J caption"))
    a \u001b[2J caption
    """
    return _STEERING.sub(_escape, str(text))


def say(line: str, stream: TextIO | None = None) -> None:
    """Print one line that a person sees now, even through a pipe; a newline in front gives an empty line before it.

    A reader who has left, or a full disk behind the pipe, does not end the work.
    """
    stream = stream or sys.stdout
    try:
        print("\n" * line.startswith("\n") + printable(line.removeprefix("\n")), file=stream, flush=True)
    except OSError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Send nowhere what a stream still holds: nobody listens, and Python would complain about it in the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
