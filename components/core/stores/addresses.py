"""Addresses of local files: how a path is written down as text, and found again.

Rows, logs and pages hold text, and a file's name is bytes: one that is no UTF-8, or holds control characters, is
written as a `file://` address with those bytes escaped. All others stay as they are, `#`, `?` and `%` among them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line separators, and the bytes of a name that are no UTF-8."""


def local(uri: str) -> Path:
    """The path that a local URI names."""
    if uri.startswith("file://"):
        _, _, path = uri.removeprefix("file://").partition("/")
        return Path(os.fsdecode(unquote_to_bytes(b"/" + os.fsencode(path))))
    try:
        return Path(uri).expanduser()
    except RuntimeError:
        return Path(uri)  # a name that begins with ~ without being a user's


def address_of(path: Path) -> str:
    """The URI of a local path: the path itself, or `file://` and its bytes escaped where they are not plain text.

    >>> address_of(Path("/films/a%b #1.mp4")), address_of(Path("/films/new\nline.mp4"))
    ('/films/a%b #1.mp4', 'file:///films/new%0Aline.mp4')
    """
    return f"file://{quote(os.fsencode(path.absolute()))}" if _NO_TEXT.search(str(path)) else str(path)


def as_address(given: str) -> str:
    """What someone typed, an address or a path, as text: the same unless it is a path that is none."""
    return given if "://" in given or not _NO_TEXT.search(given) else address_of(Path(given))
