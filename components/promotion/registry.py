"""The registered model: versions, the alias `champion`, and the way back.

Each version keeps its score card as an artifact of the run that registered it, so that a later challenger can be
compared question by question, and names the version it replaced, which is where a rollback goes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core import lineage
from components.core.errors import InputError
from components.promotion.decision import ScoreCard

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"
CARD = "evaluation/score_card.json"
REPLACED = "rewatch.replaced"
MODEL_DIGEST = "rewatch.digest"
MODEL_PATH = "rewatch.path"
VERSIONS = "mlflow.modelVersions"


@dataclass(frozen=True)
class Champion:
    """The version that carries the alias, and its score card if it has one."""

    version: str
    card: ScoreCard | None


class Registry:
    """One registered model.

    Raises:
        InputError: no tracking server is named.
    """

    def __init__(self, name: str, uri: str = "") -> None:
        client = lineage.connect(uri)
        if client is None:
            raise InputError("No MLflow is named, so there is no registry.", f"Set {lineage.URI_VARIABLE}.")
        self.name = name
        self.client: MlflowClient = client

    def champion(self) -> Champion | None:
        """The champion, or None while there is none."""
        version = self._aliased()
        return None if version is None else Champion(version, self._card(version))

    def register(self, path: str, model_digest: str, model_id: str, card: ScoreCard, run_id: str) -> str:
        """Register a model as a new version, or find the version it already has; returns the version.

        Args:
            path: the model's folder; the source when it is no LoggedModel.
            model_id: its LoggedModel, "" if there is none.
            run_id: the run that keeps the score card.
        """
        if not self.client.search_registered_models(filter_string=f"name = '{self.name}'"):
            self.client.create_registered_model(self.name, description="Students trained by the rewatch pipeline.")
        for known in self.client.search_model_versions(f"name = '{self.name}'"):
            if known.tags.get(MODEL_DIGEST) == model_digest:
                return str(known.version)
        self.client.log_text(run_id, card.model_dump_json(), CARD)
        created = self.client.create_model_version(
            self.name,
            source=f"models:/{model_id}" if model_id else path,
            run_id=run_id,
            model_id=model_id or None,
            tags={MODEL_DIGEST: model_digest, MODEL_PATH: path, "rewatch.accuracy": f"{card.accuracy:.4f}"},
        )
        if model_id:  # the link that MLflow's model page shows; its client leaves it to the fluent interface
            versions = json.dumps([{"name": self.name, "version": str(created.version)}])
            self.client.set_logged_model_tags(model_id, {VERSIONS: versions})
        return str(created.version)

    def crown(self, version: str) -> None:
        """Give the alias to a version, which remembers the one it replaces.

        Raises:
            InputError: there is no such version.
        """
        self._known(version)
        before = self._aliased()
        if before == version:
            return
        if before is not None:
            self.client.set_model_version_tag(self.name, version, REPLACED, before)
        self.client.set_registered_model_alias(self.name, ALIAS, version)

    def rollback(self) -> tuple[str, str]:
        """Give the alias back to the version the champion replaced; returns (from, to).

        Raises:
            InputError: there is no champion, or it replaced none.
        """
        current = self._aliased()
        if current is None:
            raise InputError(f"'{self.name}' has no champion to roll back.", "Promote a model first.")
        before = self._known(current).tags.get(REPLACED, "")
        if not before:
            raise InputError(
                f"Version {current} of '{self.name}' replaced no other, so there is none to return to.",
                "Promote another version by its number.",
            )
        self._known(before)
        self.client.set_registered_model_alias(self.name, ALIAS, before)
        return current, before

    def _aliased(self) -> str | None:
        found = self.client.search_registered_models(filter_string=f"name = '{self.name}'")
        version = found[0].aliases.get(ALIAS) if found else None
        return None if version is None else str(version)

    def _known(self, version: str) -> _Version:
        for known in self.client.search_model_versions(f"name = '{self.name}'"):
            if str(known.version) == str(version):
                return _Version(str(known.version), dict(known.tags), known.run_id or "")
        raise InputError(f"'{self.name}' has no version {version}.", "Look at the registry with `make ui`.")

    def _card(self, version: str) -> ScoreCard | None:
        run_id = self._known(version).run_id
        held = {file.path for file in self.client.list_artifacts(run_id, CARD.partition("/")[0])} if run_id else set()
        if CARD not in held:
            return None
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            return ScoreCard.model_validate_json(
                Path(self.client.download_artifacts(run_id, CARD, folder)).read_bytes()
            )


@dataclass(frozen=True)
class _Version:
    version: str
    tags: dict[str, str]
    run_id: str
