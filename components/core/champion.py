"""The champion as one task names it to another: a single string, because it travels as a pipeline parameter.

    3@5f0c2a91@/runs/20261121-144736/artifacts/…/grpo/model

The version in the registry, a fingerprint of the files that lie there now, and the folder (or s3:// prefix) itself. The
fingerprint makes the string, and with it the orchestrator's cache, change when the folder goes, comes back or is
replaced; nothing is read but names, sizes and times.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Self

from components.core.data.manifest import MANIFEST_NAME
from components.core.data.rows import Strict, digest_of
from components.core.errors import InputError

GONE = "gone"


class ChampionReference(Strict):
    """A registered model and where it lies."""

    version: str
    fingerprint: str
    location: str

    @classmethod
    def at(cls, version: str, location: str) -> Self:
        """The reference to what lies at a location now."""
        from components.core.stores.files import storage_for

        try:
            found = list(storage_for(location).list(location))
        except InputError:
            found = []
        files = sorted((_relative(item.uri, location), item.size_bytes, item.version) for item in found)
        whole = any(name == MANIFEST_NAME for name, *_ in files)
        return cls(version=version, fingerprint=digest_of(files)[:8] if whole else GONE, location=location)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            InputError: the text is no reference.
        """
        version, _, rest = text.partition("@")
        fingerprint, _, location = rest.partition("@")
        if not (version and fingerprint and location):
            raise InputError(f"'{text}' names no champion.", "Write version@fingerprint@folder, or leave it empty.")
        return cls(version=version, fingerprint=fingerprint, location=location)

    @property
    def is_there(self) -> bool:
        """Whether a whole model lay at the location when the reference was made."""
        return self.fingerprint != GONE

    def __str__(self) -> str:
        return f"{self.version}@{self.fingerprint}@{self.location}"


def _relative(uri: str, location: str) -> str:
    root = location.removeprefix("file://").rstrip("/")
    path = uri.removeprefix("file://")
    return PurePosixPath(path.removeprefix(root).lstrip("/")).as_posix()
