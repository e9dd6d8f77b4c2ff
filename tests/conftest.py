"""What all tests share: a quiet environment, and no setting of the person's shell leaking into them."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("rewatch", deadline=None)  # a busy machine takes its time; what must be quick is tested so
settings.load_profile("rewatch")

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
os.environ.update(QUIET)


@pytest.fixture(autouse=True)
def _no_inherited_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test must not write into the run, the state or the MLflow server that the shell happens to name."""
    for name in list(os.environ):
        if name.startswith(("REWATCH_", "MLFLOW_TRACKING", "MLFLOW_EXPERIMENT", "MLFLOW_RUN")):
            monkeypatch.delenv(name)
