"""What a result depends on: code and library versions, computed from the imports and never listed by hand.

The code of a piece of work is the module that holds it and every module of this repository that it reaches by import,
at the top of a file or inside a function; what only a type checker imports does not count. A module counts by its
syntax tree without docstrings, so that comments, layout and documentation change no identity. Of other projects' code,
the release that is installed counts, package by package, as far as these modules import it.

    identity_of("components.captioning.caption").digest      what a container runs
    work_identity("components.captioning.caption").digest    what its records depend on, however they are driven
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DRIVERS = (
    "components.core.engine",
    "components.core.lineage",
    "components.core.processes",
    "components.core.stores",
)
"""The doors to what drives work and books it: engine, stores, progress, processes, MLflow. No row or weight depends on
them."""

DISTRIBUTIONS = {
    "PIL": "pillow",
    "yaml": "PyYAML",
    "sklearn": "scikit-learn",
}
"""Distributions that are not called as they are imported; asking the installed ones would cost 0.3 s of every task."""


@dataclass(frozen=True)
class Identity:
    """The code that a piece of work runs.

    Attributes:
        digest: sha256 of all below.
        modules: digest of each module of this repository by its name, and of the data files beside them by their path.
        packages: installed version of each third-party distribution by its name.
    """

    digest: str
    modules: dict[str, str]
    packages: dict[str, str]


@dataclass(frozen=True)
class _Module:
    digest: str
    imports: frozenset[str]


def identity_of(*entries: str, without: Iterable[str] = ()) -> Identity:
    """The identity of the work in some modules.

    Args:
        entries: full names of modules.
        without: modules that do not count, nor what is reached through them alone.

    Raises:
        ModuleNotFoundError: for an entry that is no module of this repository.
    """
    return _identity(entries, tuple(without))


def work_identity(module: str) -> Identity:
    """The identity of the work in a module, whatever drives it: part of the keys of records and checkpoints."""
    return identity_of(module, without=DRIVERS)


def file_of(name: str) -> Path:
    """The file of one of an identity's `modules`: a module by its name, or a data file by its path."""
    return ROOT / name if "/" in name else _path_of(name) or ROOT


def filed_under(module: str, settings_digest: str) -> str:
    """Where results of a module's work are filed: `<module>/<digest of its code>-<digest of its settings>`.

    An address so says by itself whether today's code would look for it.
    """
    return f"{module}/{work_identity(module).digest[:16]}-{settings_digest[:16]}"


@cache
def _identity(entries: tuple[str, ...], without: tuple[str, ...]) -> Identity:
    for entry in entries:
        if _path_of(entry) is None:
            raise ModuleNotFoundError(f"{entry} is no module of this repository")
    modules: dict[str, str] = {}
    foreign: set[str] = set()
    waiting = [name for entry in entries for name in _with_parents(entry)]
    while waiting:
        name = waiting.pop()
        if name in modules or any(name == left or name.startswith(f"{left}.") for left in without):
            continue
        path = _path_of(name)
        assert path is not None
        module = _read(path.read_bytes())
        modules[name] = module.digest
        if path.name == "__init__.py":
            modules |= {file.relative_to(ROOT).as_posix(): _digest_of(file) for file in _data_files(path.parent)}
        for imported in module.imports:
            top = imported.partition(".")[0]
            if _path_of(top) is not None:
                waiting += _with_parents(imported)
            elif top not in sys.stdlib_module_names:
                foreign.add(top)
    modules, packages = dict(sorted(modules.items())), _versions(foreign)
    text = "\n".join(f"{name} {value}" for name, value in [*modules.items(), *packages.items()])
    return Identity(hashlib.sha256(text.encode()).hexdigest(), modules, packages)


@cache
def _read(source: bytes) -> _Module:
    tree = ast.parse(source)
    imports: set[str] = set()
    _walk(tree, imports)
    return _Module(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(imports))


def _walk(node: Any, imports: set[str]) -> None:
    """Collect the names imported at run time below a statement (`from a import b` gives `a.b`), and drop docstrings.

    Only statements are visited: no expression holds an import or a docstring.
    """
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        statements = getattr(node, name, None)
        if not isinstance(statements, list):  # a lambda's body is an expression
            continue
        statements[:] = [item for item in statements if not _is_text(item)]
        for item in statements:
            if isinstance(item, ast.Import):
                imports.update(alias.name for alias in item.names)
            elif isinstance(item, ast.ImportFrom):
                imports.update(f"{item.module}.{alias.name}" for alias in item.names)
            elif isinstance(item, ast.If) and isinstance(item.test, ast.Name) and item.test.id == "TYPE_CHECKING":
                item.body.clear()  # what only a type checker reads
                _walk(item, imports)
            else:
                _walk(item, imports)


def _data_files(package: Path) -> Iterator[Path]:
    """What a package holds beside modules, other packages and documentation: templates and the like."""
    for path in package.iterdir():
        if path.is_dir() and not (path / "__init__.py").exists() and path.name != "__pycache__":
            yield from (file for file in path.rglob("*") if file.is_file())
        elif path.is_file() and path.suffix not in (".py", ".md"):
            yield path


def _digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    """A bare string documents what stands above it and is never evaluated for its value."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _with_parents(name: str) -> Iterator[str]:
    """The modules that importing `name` runs: it, or where it is an attribute its module, and their packages."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        module = ".".join(parts[:length])
        if _path_of(module) is not None:
            yield module


@cache
def _path_of(name: str) -> Path | None:
    """The file of a module of this repository, or of the script that was started; None for anything else."""
    if name == "__main__" and (script := getattr(sys.modules[name], "__file__", None)):
        return Path(script)
    path = ROOT.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _versions(imported: Iterable[str]) -> dict[str, str]:
    return {name: _version(name) for name in sorted(DISTRIBUTIONS.get(top, top) for top in imported)}


def _version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "absent"  # an import that this environment does without, such as a CUDA library on a laptop
