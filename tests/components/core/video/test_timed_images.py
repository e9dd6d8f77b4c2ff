"""Frames travel as JPEGs with the times at which their pictures were on screen, under names that hold no bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.core.data.rows import Video
from components.core.errors import VideoError
from components.core.stores.keyvalue import SqliteKeyValue
from components.core.teachers.prompts import ReplyModel, request_key
from components.core.video.plans import FramePlan
from components.core.video.readers import pyav as reader
from components.core.video.readers.pyav import Frame
from components.core.video.readings import Moment, Reading, moments
from components.core.video.settings import VideoSettings
from components.core.video.timed_images import encode_jpeg, prompt_of_frames
from tests.components.builtin_roles import builtin_role

ROLE = builtin_role("captioner")
PLAN = FramePlan(start_s=10, end_s=12, fps=2, max_pixels=2400)
MakeReading = Callable[..., Reading]


class Text(ReplyModel):
    text: str


def picture(level: int) -> np.ndarray:
    return np.full((40, 60, 3), level, np.uint8)


FIRST, SECOND = picture(10), picture(200)
LOOKS = [Frame(9.7, FIRST, 10.0), Frame(9.7, FIRST, 10.5), Frame(10.8, SECOND, 11.0), Frame(10.8, SECOND, 11.5)]


def video_of(name: str = "a") -> Video:
    return Video(
        video_id=name * 64, uri="nowhere.mp4", duration_s=20, fps=30, width=60, height=40, codec="h264", size_bytes=1,
        split="train", shard="s00000",
    )  # fmt: skip


@pytest.fixture
def reading_of(tmp_path: Path) -> MakeReading:
    """A reading whose every decoding is counted in its `reads`."""
    store = SqliteKeyValue(tmp_path / "readings.sqlite")

    def make(
        frames: Sequence[Frame] = (), video: str = "a", plan: FramePlan = PLAN, revision: str = "pyav-plan1"
    ) -> Reading:
        async def read(_: FramePlan) -> list[Frame]:
            made.reads += 1
            return list(frames)

        made = Reading(video_of(video), plan, revision, store, read)
        made.reads = 0
        return made

    return make


def key_of(reading: Reading, shown: Sequence[Any] = LOOKS, quality: int = 85) -> str:
    prompt = prompt_of_frames("Describe.", {}, reading, shown, start_s=10.0, quality=quality)
    return request_key(ROLE, prompt, Text)


async def test_a_new_picture_has_its_own_time_and_one_still_on_screen_the_time_of_the_look(
    reading_of: MakeReading,
) -> None:
    prompt = prompt_of_frames("Describe.", {}, reading_of(LOOKS), LOOKS, start_s=10.0, quality=80)
    shown = await prompt.shown()
    assert [time_s for time_s, _ in shown] == [image.time_s for image in prompt.frames] == [0, 0.5, 0.8, 1.5]
    assert shown[0][1] == shown[1][1] != shown[2][1] == shown[3][1]


async def test_the_bytes_of_pictures_and_the_releases_that_made_them_move_no_key(
    reading_of: MakeReading, monkeypatch: pytest.MonkeyPatch
) -> None:
    darker = [Frame(frame.time_s, frame.pixels // 2, frame.asked_s) for frame in LOOKS]
    one, other = reading_of(LOOKS), reading_of(darker)
    before = key_of(one)
    prompts = [prompt_of_frames("Describe.", {}, made, LOOKS, start_s=10.0, quality=85) for made in (one, other)]
    assert (await prompts[0].shown())[0][1] != (await prompts[1].shown())[0][1]
    assert key_of(other) == before
    revision = VideoSettings().reader_revision
    for package in ("PIL", "av"):
        monkeypatch.setattr(f"{package}.__version__", "99.0")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99.0")
    assert VideoSettings().reader_name == "pyav-99.0-plan1"
    assert VideoSettings().reader_revision == revision == one.revision
    assert key_of(one) == before


def test_what_is_seen_moves_the_key(reading_of: MakeReading, monkeypatch: pytest.MonkeyPatch) -> None:
    later = [Moment(10.0, 9.8), *LOOKS[1:]]
    sharper = PLAN.model_copy(update={"max_pixels": 9600})
    exact = PLAN.model_copy(update={"max_pixels": 0, "width": 60, "height": 40})
    monkeypatch.setattr(reader, "PLAN_REVISION", 2)
    monkeypatch.setattr("components.core.video.settings.PLAN_REVISION", 2)
    keys = [
        key_of(reading_of()),
        key_of(reading_of(), LOOKS[::2]),
        key_of(reading_of(), later),
        key_of(reading_of(), quality=90),
        key_of(reading_of(video="b")),
        key_of(reading_of(plan=sharper)),
        key_of(reading_of(plan=exact)),
        key_of(reading_of(revision=VideoSettings().reader_revision)),
        key_of(reading_of(revision=VideoSettings(reader="decord").reader_revision)),
    ]
    assert len(set(keys)) == len(keys)


def test_of_a_plan_only_what_is_seen_moves_the_key(reading_of: MakeReading) -> None:
    """A plan of twice the rate, thinned to the same frames, shows the same."""
    twice = PLAN.model_copy(update={"fps": 4})
    assert key_of(reading_of(plan=twice)) == key_of(reading_of())


async def test_what_was_measured_is_remembered_by_video_plan_and_reader(reading_of: MakeReading) -> None:
    made = reading_of(LOOKS)
    expected = [[frame.asked_s, frame.time_s] for frame in LOOKS]
    assert await made.measured(moments) == await made.measured(moments) == expected
    await made.frames()
    assert made.reads == 1
    again = reading_of()
    assert await again.measured(moments) == expected
    assert again.reads == 0
    for other in ({"video": "b"}, {"plan": PLAN.model_copy(update={"fps": 4})}, {"revision": "pyav-plan2"}):
        made = reading_of(LOOKS, **other)
        assert await made.measured(moments) and made.reads == 1


async def test_a_video_that_shows_other_frames_than_were_named_is_an_error(reading_of: MakeReading) -> None:
    named = [Moment(frame.asked_s, frame.time_s) for frame in LOOKS]
    prompt = prompt_of_frames("Describe.", {}, reading_of(LOOKS[:2]), named, start_s=10.0, quality=85)
    with pytest.raises(VideoError, match="no longer shows"):
        await prompt.shown()


def test_small_coloured_shapes_keep_their_colour() -> None:
    pixels = picture(40)
    pixels[10:14, 10:14] = (222, 40, 40)
    with Image.open(io.BytesIO(encode_jpeg(pixels, 85))) as decoded:
        assert decoded.size == (60, 40)
        assert np.abs(np.asarray(decoded)[11:13, 11:13].astype(int) - (222, 40, 40)).max() < 25
