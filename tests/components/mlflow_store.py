"""A prepared MLflow database for tests: making one takes seconds, copying one takes none."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from components.core import lineage


def new_store(folder: Path, experiment: str) -> str:
    """A tracking address with an empty database of its own in `folder`, and the experiment in it."""
    database = folder / "mlflow.db"
    shutil.copyfile(_template(), database)
    uri = f"sqlite:///{database}"
    lineage.initialise_database(uri, experiment, folder / "artifacts")
    return uri


@functools.cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rewatch-mlflow-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    lineage.initialise_database(f"sqlite:///{folder / 'mlflow.db'}", "template", folder / "artifacts")
    return folder / "mlflow.db"
