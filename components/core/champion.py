"""The champion as one task names it to another: a single string, because it travels as a pipeline parameter.

    3@5f0c2a91@/runs/20261121-144736/artifacts/…/grpo/model

The version in the registry, a fingerprint of the files that lie there now, and the folder (or s3:// prefix) itself. The
fingerprint makes the string, and with it the orchestrator's cache, change when the folder goes, comes back or is
replaced; nothing is read but names, sizes and times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from components.core.data.manifest import MANIFEST_NAME
from components.core.data.rows import Strict, digest_of
from components.core.errors import InputError
from components.core.stores.addresses import local
from components.core.stores.files import is_s3, storage_for

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"
"""The champion's alias in MLflow's registry."""
MODEL_PATH = "rewatch.path"
"""The tag of a version that says where its model lies."""
GONE = "gone"


class ChampionReference(Strict):
    """A registered model and where it lies."""

    version: str
    fingerprint: str
    location: str

    @classmethod
    def at(cls, version: str, location: str) -> Self:
        """The reference to what lies at a location now.

        KFP names what is in the store of its own by `minio://`, which speaks S3 and is reached like any other bucket.
        """
        location = re.sub("^minio://", "s3://", location)
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


def champion_of(client: MlflowClient, name: str) -> ChampionReference | None:
    """The champion of a registered model; None while there is none."""
    found = client.search_registered_models(filter_string=f"name = '{name}'")
    version = found[0].aliases.get(ALIAS) if found else None
    if version is None:
        return None
    location = client.get_model_version(name, str(version)).tags.get(MODEL_PATH, "")
    return ChampionReference.at(str(version), location)


@contextmanager
def as_folder(location: str) -> Iterator[Path]:
    """A model as a local folder: itself, or a temporary copy of an s3:// prefix."""
    if not is_s3(location):
        yield local(location)
        return
    with TemporaryDirectory(prefix="rewatch-model-") as folder:
        bring(location, Path(folder))
        yield Path(folder)


def bring(location: str, folder: Path) -> None:
    """Copy a model from an s3:// prefix; files that are there already stay."""
    storage = storage_for(location)
    for item in storage.list(location):
        path = folder / item.uri.removeprefix(location).lstrip("/")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            storage.download(item.uri, partial)
            partial.replace(path)


def _relative(uri: str, location: str) -> str:
    root = location.removeprefix("file://").rstrip("/")
    path = uri.removeprefix("file://")
    return PurePosixPath(path.removeprefix(root).lstrip("/")).as_posix()
