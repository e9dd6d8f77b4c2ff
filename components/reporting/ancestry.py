"""From the final artifacts back to the corpus, by `manifest.upstream` alone: cached tasks appear like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.core.data.datasets import part_of
from components.core.data.manifest import MANIFEST_NAME, Manifest, read_manifest
from components.core.errors import DatasetError

NAMES = frozenset({"corpus", "captions", "questions", "trajectories", "sft_model", "grpo_model", "evaluation"})
"""Names of inputs that say which artifact is meant, whoever reads it; `shards` and the like do not."""


@dataclass(frozen=True)
class Artifact:
    """One dataset or model: its folder, its manifest, and a label that a reader knows it by."""

    path: Path
    manifest: Manifest
    label: str

    @property
    def is_shard(self) -> bool:
        """Whether it holds one shard's part."""
        return bool(self.manifest.shard)


@dataclass(frozen=True)
class Ancestry:
    """All artifacts a run rests on, ancestors first, and what was made from what."""

    artifacts: tuple[Artifact, ...]
    edges: tuple[tuple[Path, Path], ...]
    """(made from, made) pairs of folders."""

    lost: tuple[Path, ...]
    """Ancestors whose folder is gone, such as those of a pruned run."""

    def of_stage(self, stage: str) -> list[Artifact]:
        """The artifacts that a stage wrote, in order of their shard."""
        found = [artifact for artifact in self.artifacts if artifact.manifest.stage == stage]
        return sorted(found, key=lambda artifact: artifact.manifest.shard)

    def writers(self, artifact: Artifact) -> list[str]:
        """The teachers, `model@revision`, that wrote or checked an artifact's rows: its own and those of the shards it
        was merged from, back to the merged datasets before it."""
        known = {other.path: other for other in self.artifacts}
        found = set(artifact.manifest.teachers.values())
        waiting = [artifact]
        while waiting:
            made = waiting.pop()
            origins = [known[origin] for origin, becomes in self.edges if becomes == made.path]
            for shard in (origin for origin in origins if origin.is_shard):
                found |= set(shard.manifest.teachers.values())
                waiting.append(shard)
        return sorted(found)

    def labelled(self, label: str) -> Artifact | None:
        """The artifact with a label, or None."""
        return next((artifact for artifact in self.artifacts if artifact.label == label), None)


def walk(roots: Mapping[str, Path]) -> Ancestry:
    """Follow the manifests from `roots` (path by label) to where they end.

    A root that is not finished is left out: a failed run is reported as far as it came.
    """
    labels = {path.absolute(): label for label, path in roots.items()}
    manifests: dict[Path, Manifest] = {}
    edges: list[tuple[Path, Path]] = []
    lost: list[Path] = []
    waiting = [path for path in labels if (path / MANIFEST_NAME).is_file()]
    while waiting:
        path = waiting.pop()
        if path in manifests:
            continue
        try:
            manifests[path] = read_manifest(path)
        except DatasetError:
            lost.append(path)
            continue
        for source in manifests[path].upstream:
            origin = Path(source.path).absolute()
            if source.name in NAMES:
                labels.setdefault(origin, source.name)
            edges.append((origin, path))
            waiting.append(origin)
    artifacts = [Artifact(path, manifest, _label(path, manifest, labels)) for path, manifest in manifests.items()]
    known = [(origin, made) for origin, made in edges if origin in manifests]
    return Ancestry(tuple(_ancestors_first(artifacts, known)), tuple(sorted(set(known))), tuple(sorted(set(lost))))


def _label(path: Path, manifest: Manifest, labels: Mapping[Path, str]) -> str:
    if path in labels:
        return labels[path]
    return f"{manifest.stage} {part_of(manifest.shard)}" if manifest.shard else manifest.stage


def _ancestors_first(artifacts: list[Artifact], edges: list[tuple[Path, Path]]) -> list[Artifact]:
    """Order by the longest way from a source, then by label."""
    origins: dict[Path, list[Path]] = {artifact.path: [] for artifact in artifacts}
    for origin, made in edges:
        origins[made].append(origin)
    depth: dict[Path, int] = {}

    def measure(path: Path) -> int:
        if path not in depth:
            depth[path] = 0  # a cycle cannot happen: a manifest is written after those it names
            depth[path] = 1 + max((measure(origin) for origin in origins[path]), default=-1)
        return depth[path]

    return sorted(artifacts, key=lambda artifact: (measure(artifact.path), artifact.label))
