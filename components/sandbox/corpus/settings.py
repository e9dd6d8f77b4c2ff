"""How large a sandbox corpus is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CorpusSettings(BaseModel):
    """Counts and lengths of the sandbox videos; equal settings give byte-equal corpora."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 7
    learning: int = Field(default=430, ge=0)
    """Clips of eight seconds. A student trained on 24 stays at chance; hundreds are needed, and 100 more held out."""
    showcase: int = Field(default=24, ge=0)
    """Clips of 20–60 s with several shapes that move and change."""
    long_s: float = Field(default=1260.0, ge=0)
    """Length of the clip of many scenes. Over 600 s it has to be segmented; this makes two chunks or three. 0 leaves it
    out."""
    clock_s: float = Field(default=60.0, ge=0)
    """Length of the clip with variable frame rate and a burnt-in clock. 0 leaves it out."""
    broken: bool = True
    """Whether to add files that must end in quarantine, and a copy of a learning clip."""

    @classmethod
    def tiny(cls) -> CorpusSettings:
        """What the tests run on."""
        return cls(learning=24, showcase=3, long_s=620.0, clock_s=40.0)
