"""What a person wrote, as plain JSON values: a profile's YAML file, and `--set key=value` laid over it.

YAML can say what no setting holds: dates, numbers as keys, sets, values that contain themselves. It is refused here,
with its place, so that validation meets nothing but text, finite numbers, booleans, lists and mappings by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.core.errors import SettingsError

DEEPEST = 32
"""Levels of nesting; a value that contains itself has no end."""

ListAt = Callable[[Sequence[str]], "list[Any] | None"]
"""The list that a setting holds where nothing was written, as JSON values; None where it holds none."""


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        SettingsError: the file cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} cannot be read ({error}).", "Give a YAML file in UTF-8.") from error
    content = _parse(text, path.name)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name} holds no mapping.", "Write `section: {key: value}`.")
    return content


def lay_over(content: dict[str, Any], override: str, list_at: ListAt) -> None:
    """Change one value of a profile's content; a number in the key picks an entry of a list.

    Args:
        override: such as `grpo.steps=10` or `sft.phases.0.steps=1`, the value in YAML.

    Raises:
        SettingsError: it has another form, or leads through something that is no group of settings.
    """
    key, equals, text = override.partition("=")
    path = key.split(".")
    if not equals or not all(path):
        raise SettingsError(f"--set {override!r} is not of the form key=value.", "Write --set grpo.steps=10.")
    value = _parse(text, f"--set {key!r}")
    target: Any = content
    for depth, part in enumerate(path[:-1], start=1):
        if isinstance(target, dict) and target.get(part) is None:
            target[part] = list_at(path[:depth]) or {}
        target = target[_place(target, part, path[: depth - 1])]
    target[_place(target, path[-1], path[:-1])] = value


def laid_over(base: Any, given: Any) -> Any:
    """`given` with what it leaves out taken from `base`, group by group; a group without a word leaves all out."""
    if isinstance(base, Mapping) and given is None:
        return base
    if not (isinstance(base, Mapping) and isinstance(given, Mapping)):
        return given
    return {**base, **{key: laid_over(base.get(key), value) for key, value in given.items()}}


def _place(target: Any, part: str, path: Sequence[str]) -> Any:
    """The key or index that `part` names in `target`, which lies at `path`."""
    where = ".".join(path)
    if isinstance(target, dict):
        return part
    if not isinstance(target, list):
        raise SettingsError(
            f"--set: {where} is {target!r}, so that it has no setting {part!r}.", f"Set {where} itself."
        )
    if not part.isdecimal() or int(part) >= len(target):
        entries = f"numbered 0 to {len(target) - 1}" if target else "and is empty"
        raise SettingsError(f"--set: {where} is a list {entries}; it has no {part!r}.", f"Set {where} as a whole.")
    return int(part)


def _parse(text: str, where: str) -> Any:
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        # PyYAML lets through what its constructors raise on a tag that does not fit its text, such as `!!bool maybe`.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingsError(f"{where} is not valid YAML: {reason}.", "Correct it and run again.") from error
    return _plain(value, where)


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """The value, if JSON can say it."""
    if depth > DEEPEST:
        raise SettingsError(f"{where} is nested deeper than {DEEPEST} levels.", "No setting is: correct it.")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise SettingsError(f"{where}: the key {key!r} is not a name.", f'Quote it: "{key}".')
        return {_plain(key, where): _plain(item, f"{where}, {key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, where, depth + 1) for item in value]
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise SettingsError(f"{where}: {value!r} holds half a character.", "Write it whole.")
        return value
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise SettingsError(f"{where}: {value!r} is no value of a setting.", "Quote it if it is text.")
