"""A role is who a stage asks; a profile maps each role to a model behind an endpoint.

Which endpoint serves a model, what it costs and how long to wait for it change no reply, so they are not part of the
settings' digest. Model, revision and sampling are.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, JsonValue, field_validator

from components.core.data.settings import Settings
from components.core.errors import SettingsError


class RoleSettings(Settings):
    """Which model answers for a role, and how it is asked."""

    not_content: ClassVar[frozenset[str]] = frozenset({"endpoint", "price_in", "price_out", "timeout_s"})
    reserved: ClassVar[frozenset[str]] = frozenset({"model", "messages", "stream", "n", "seed"})

    role: str
    """The role's name, such as `captioner`."""

    endpoint: str = ""
    """Name of an endpoint of the profile. There is none that every run has: a task refuses a role without it."""

    model: str = ""
    """The model's name at that endpoint; a task refuses a role without it."""

    revision: str = "1"
    """The model's revision: raise it when the weights behind the same name change, and replies are bought anew."""

    temperature: float = Field(default=0.0, ge=0)
    """Sampling temperature; 0 is greedy."""

    max_tokens: int = Field(default=2048, ge=1)
    """Longest reply, in tokens; a reply cut there is invalid."""

    top_p: float | None = Field(default=None, gt=0, le=1)
    """Nucleus sampling; none leaves it to the endpoint."""

    reasoning_effort: str = ""
    """Such as `low`, for models that take it; empty leaves it out of the request."""

    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the request, such as `top_k` or `chat_template_kwargs`; null takes a field out of it. Models
    that refuse `max_tokens` want `{max_tokens: null, max_completion_tokens: 4096}`."""

    attempts: int = Field(default=3, ge=1)
    """How often an invalid reply is asked for, the first time included."""

    timeout_s: float = Field(default=600.0, gt=0)
    """Seconds to wait for one whole reply before the call is sent again. Once it is known what this role's calls take,
    eight times that if it is less (a minute at least), four times if it is more. Calls in flight grow only while they
    take less than half of it: raise it, and the endpoint's `concurrency`, where a quiet server takes minutes."""

    price_in: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens."""

    price_out: float = Field(default=0.0, ge=0)
    """Price of a million reply tokens."""

    @field_validator("extra_body")
    @classmethod
    def _reserves_what_is_not_sampling(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = cls.reserved & value.keys()
        if taken:
            raise ValueError(f"{', '.join(sorted(taken))} cannot be set here")
        return value

    @property
    def teacher(self) -> str:
        """`model@revision`, as lineage records it."""
        return f"{self.model}@{self.revision}"

    def refuse_unnamed(self, setting: str) -> None:
        """Refuse a role of which nobody said who answers.

        Args:
            setting: the stage's setting that holds it.

        Raises:
            SettingsError: naming what is missing, and where a profile and a stage run by hand say it.
        """
        missing = [name for name in ("endpoint", "model") if not getattr(self, name)]
        if missing:
            keys = " and ".join(f"teachers.{self.role}.{name}" for name in missing)
            default = " and ".join(f"teachers.default.{name}" for name in missing)
            raise SettingsError(
                f"The role '{self.role}' has no {' and no '.join(missing)}, so nobody can be asked.",
                f"Set {keys} in the profile, or {default} for every role. Without a profile, name both in --settings, "
                f"under {setting}, and the endpoint's address in REWATCH_ENDPOINTS.",
            )

    def sampling(self) -> dict[str, Any]:
        """The sampling part of a request, in the names of the OpenAI chat protocol."""
        sampling: dict[str, Any] = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        if self.top_p is not None:
            sampling["top_p"] = self.top_p
        if self.reasoning_effort:
            sampling["reasoning_effort"] = self.reasoning_effort
        return {**sampling, **self.extra_body}

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """Price of one call."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6
