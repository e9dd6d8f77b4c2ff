"""Which containers may be opened, told by their first bytes.

The demuxer is named to FFmpeg rather than guessed by it: playlists, `concat` scripts and session descriptions make
FFmpeg open further files and addresses, so a file is never probed for being one, whatever its name says.
"""

from __future__ import annotations

from pathlib import Path

from components.core.errors import VideoError

_MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mpg", ".mpeg", ".flv", ".ogv"}
)
"""File names that are taken for video when a folder is listed."""


def demuxer_of(path: Path) -> str:
    """FFmpeg's name of the demuxer for `path`.

    Raises:
        VideoError: for a missing or empty file, and for a container that is not on the list.
    """
    try:
        with path.open("rb") as file:
            head = file.read(400)
    except OSError as error:
        raise VideoError(
            f"{path.name} cannot be opened: {error.strerror}.", "Check the path and its permissions."
        ) from error
    if not head:
        raise VideoError(f"{path.name} is empty (zero bytes).", "Copy the file again.")
    demuxer = _sniff(head)
    if demuxer is None:
        raise VideoError(
            f"{path.name} is not in a container that may be opened.",
            "Give MP4, MOV, Matroska, WebM, AVI, MPEG-TS, MPEG-PS, FLV or Ogg.",
        )
    return demuxer


def _sniff(head: bytes) -> str | None:
    if head[4:8] in _MOV_BOXES:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head.startswith(b"OggS"):
        return "ogg"
    if head.startswith(b"FLV\x01"):
        return "flv"
    if head.startswith(b"\x00\x00\x01\xba"):
        return "mpeg"
    # Transport packets are 188 bytes, or 192 with the four-byte timestamp of m2ts, each opening with 0x47.
    if len(head) > 196 and (head[0] == head[188] == 0x47 or head[4] == head[196] == 0x47):
        return "mpegts"
    return None
