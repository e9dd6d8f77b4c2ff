"""Probing tells what a file is, or why it is not a video that may be opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.errors import VideoError
from components.core.video.containers import demuxer_of
from components.core.video.probe import probe

from .conftest import Maker
from .kinds import KINDS, Numbered, Recipe


def test_a_probe_says_length_rate_size_and_codec(plain: Numbered) -> None:
    info = probe(plain.path)
    assert (info.width, info.height, info.codec, info.container, info.rotation) == (64, 64, "h264", "mov", 0)
    assert info.duration_s == pytest.approx(20, abs=0.11)
    assert info.fps == pytest.approx(10, rel=0.01)
    assert info.size_bytes == plain.path.stat().st_size


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_is_as_long_as_its_picture(make_video: Maker, kind: str) -> None:
    """Not as its sound, nor as the clock it was recorded by."""
    video = make_video(kind)
    assert probe(video.path).duration_s == pytest.approx(video.duration_s, abs=0.1)


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("playlist.mp4", PLAYLIST.encode()),
        ("concat.mp4", b"ffconcat version 1.0\nfile /etc/hostname\n"),
        ("session.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
        ("text.mp4", b"minutes of a meeting"),
        ("picture.mp4", b"\x89PNG\r\n\x1a\n" + bytes(64)),
    ],
)
def test_what_could_make_the_decoder_open_other_files_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VideoError, match="not in a container that may be opened"):
        probe(path)


def test_a_file_name_is_never_read_as_a_protocol(plain: Numbered, tmp_path: Path) -> None:
    path = tmp_path / "concat:a|b.mp4"
    path.write_bytes(plain.path.read_bytes())
    assert probe(path).width == 64


def test_an_empty_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match="zero bytes"):
        demuxer_of(tmp_path / "empty.mp4")
    with pytest.raises(VideoError, match="cannot be opened"):
        demuxer_of(tmp_path / "nothing.mp4")


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_copy_is_found_without_decoding_it(make_video: Maker, tmp_path: Path, share: float) -> None:
    recipe = Recipe(".mp4", options={"bf": "2"}, muxer={"movflags": "+faststart"})
    whole = make_video("index first", recipe).path.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(VideoError, match=r"truncated|no streams|cannot be read"):
        probe(path)
