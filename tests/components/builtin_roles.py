"""Roles that the built-in teacher answers, as the laptop's profile names them; its revision is 1 in these tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.core.data.rows import canonical_json
from components.core.engine.stage import Stage
from components.core.teachers.roles import RoleSettings
from pipelines.teachers import BUILTIN, fill_roles, filler

FILL = filler({"default": {"revision": "1"}}, {BUILTIN}, faults=())


def builtin_role(role: str, **more: Any) -> RoleSettings:
    """One role."""
    return RoleSettings.model_validate(FILL(RoleSettings(role=role), more))


def with_builtin_roles(stage: Stage[Any], settings: Mapping[str, Any] | None = None) -> str:
    """A stage's section, JSON, as a task receives it: who answers is filled in where `settings` name nobody."""
    return canonical_json(fill_roles(stage.settings, settings or {}, FILL))
