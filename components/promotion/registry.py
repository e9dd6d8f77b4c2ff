"""The registered model: versions, the alias `champion`, and the way back.

Each version says where its model lies and what its digest is, so that a later run can ask the champion again; a
champion also says which one it replaced, which is where a rollback goes, and which one it was compared with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core import lineage
from components.core.champion import ALIAS, MODEL_PATH, ChampionReference
from components.core.engine.context import VARIABLES, Context
from components.core.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient

REPLACED = "rewatch.replaced"
COMPARED = "rewatch.compared"
MODEL_DIGEST = "rewatch.digest"
VERSIONS = "mlflow.modelVersions"


@dataclass(frozen=True)
class Champion:
    """The version that carries the alias.

    Attributes:
        digest: of its model folder.
        location: the folder, or s3:// prefix.
        compared: the reference of the champion it was compared with before; "" where there was none.
    """

    version: str
    digest: str
    location: str
    compared: str


class Registry:
    """One registered model.

    Raises:
        InputError: no tracking server is named.
    """

    def __init__(self, name: str, uri: str = "") -> None:
        client = lineage.connect(uri)
        if client is None:
            raise InputError(
                "No MLflow is named, so there is no registry.", f"Set launch.mlflow, or {VARIABLES['mlflow_uri']}."
            )
        self.name = name
        self.client: MlflowClient = client

    def champion(self) -> Champion | None:
        """The champion, or None while there is none."""
        version = self._aliased()
        if version is None:
            return None
        tags = self._tags(version)
        return Champion(version, tags.get(MODEL_DIGEST, ""), tags.get(MODEL_PATH, ""), tags.get(COMPARED, ""))

    def rival_of(self, model_digest: str) -> str:
        """The reference of the champion that a model must be compared with; "" where there is none.

        A model that is the champion already is compared with the one it was compared with before: a run over unchanged
        data finds everything in the orchestrator's cache.
        """
        champion = self.champion()
        if champion is None:
            return ""
        if champion.digest == model_digest:
            return champion.compared
        return str(ChampionReference.at(champion.version, champion.location))

    def register(self, location: str, model_digest: str, model_id: str, accuracy: float, run_id: str) -> str:
        """Register a model as a new version, or find the version it already has; returns the version.

        A version that is found learns where the model lies now: an older folder may be gone.

        Args:
            location: the model's folder or prefix; the source when it is no LoggedModel.
            model_id: its LoggedModel, "" if there is none.
            run_id: the run that registers it.
        """
        if not self.client.search_registered_models(filter_string=f"name = '{self.name}'"):
            self.client.create_registered_model(self.name, description="Students that stood for promotion.")
        for known in self.client.search_model_versions(f"name = '{self.name}'"):
            if known.tags.get(MODEL_DIGEST) == model_digest:
                self.client.set_model_version_tag(self.name, str(known.version), MODEL_PATH, location)
                return str(known.version)
        created = self.client.create_model_version(
            self.name,
            source=f"models:/{model_id}" if model_id else location,
            run_id=run_id,
            model_id=model_id or None,
            tags={MODEL_DIGEST: model_digest, MODEL_PATH: location, "rewatch.accuracy": f"{accuracy:.4f}"},
        )
        if model_id:  # the link that MLflow's model page shows; its client leaves it to the fluent interface
            versions = json.dumps([{"name": self.name, "version": str(created.version)}])
            self.client.set_logged_model_tags(model_id, {VERSIONS: versions})
        return str(created.version)

    def crown(self, version: str, compared: str = "") -> None:
        """Give the alias to a version, which remembers the one it replaces.

        Args:
            compared: the reference of the champion it was compared with; "" where nobody was, as by hand.

        Raises:
            InputError: there is no such version.
        """
        self._tags(version)
        before = self._aliased()
        if before == version:
            return
        self.client.set_model_version_tag(self.name, version, COMPARED, compared)
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
        before = self._tags(current).get(REPLACED, "")
        if not before:
            raise InputError(
                f"Version {current} of '{self.name}' replaced no other, so there is none to return to.",
                "Promote another version by its number.",
            )
        self._tags(before)
        self.client.set_registered_model_alias(self.name, ALIAS, before)
        return current, before

    def _aliased(self) -> str | None:
        found = self.client.search_registered_models(filter_string=f"name = '{self.name}'")
        version = found[0].aliases.get(ALIAS) if found else None
        return None if version is None else str(version)

    def _tags(self, version: str) -> dict[str, str]:
        """The tags of a version.

        Raises:
            InputError: there is no such version.
        """
        for known in self.client.search_model_versions(f"name = '{self.name}'"):
            if str(known.version) == str(version):
                return dict(known.tags)
        opened_by = Context(mlflow_uri=self.client.tracking_uri).opens_mlflow
        raise InputError(f"'{self.name}' has no version {version}.", f"Look at the registry: {opened_by}.")
