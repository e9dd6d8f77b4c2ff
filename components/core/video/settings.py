"""How videos are read: the profile's section `video`, which reaches every stage that reads frames."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, ClassVar, Literal

from pydantic import Field

from components.core.data.identity import identity_of
from components.core.data.settings import Settings, StageSettings
from components.core.video.limits import VideoLimits
from components.core.video.readers.pyav import PLAN_REVISION, pyav_name

_MODULES = {"pyav": "components.core.video.readers.pyav", "decord": "components.core.video.readers.decord"}


class VideoSettings(Settings):
    """Which reader decodes, and what one video may cost."""

    not_content: ClassVar[frozenset[str]] = frozenset({"limits", "kept_frames_mb"})

    reader: Literal["pyav", "decord"] = "pyav"
    """`pyav` gives the frame that was on screen, with its own time, on every kind of file tried. `decord` is here for
    those whose other tools read with it: on some files its frames or times are wrong (readers/decord.py lists them)."""

    limits: VideoLimits = VideoLimits()
    """What one video, and one look at it, may cost before it is refused."""

    kept_frames_mb: int = Field(default=8192, ge=0)
    """Megabytes of frames kept on disk for the students (frame_cache.py), the least recently used removed beyond it; 0
    keeps none. A clip of eight seconds takes 0.15 MB at the laptop's size, a video of the papers' 128 frames at most
    77 MB (128 frames of 200,704 pixels)."""

    @property
    def reader_name(self) -> str:
        """Reader and version, such as `pyav-18.0.0-plan1`, without loading it."""
        return pyav_name() if self.reader == "pyav" else f"{self.reader}-{version(self.reader)}"

    @property
    def reader_revision(self) -> str:
        """The reader by its own name and revision, such as `pyav-plan1`: what replies that were paid for depend on.

        Not the release of its library: the tests pin which picture a reader shows at which time.
        """
        return f"{self.reader}-plan{PLAN_REVISION}"

    def content(self) -> dict[str, Any]:
        """The reader, its version and our code around it: what decides which pixels a stage gets for a time.

        Stages read through the engine, whose code is no part of a record's key, so that it has to come in here.
        """
        return {"reader": self.reader_name, "code": identity_of(_MODULES[self.reader]).digest}


class VideoStageSettings(StageSettings):
    """Base of the settings of every stage that reads videos."""

    video: VideoSettings = VideoSettings()
    """How videos are read; the profile's section `video` fills what the stage's own leaves out."""
