"""What is sent to a teacher, and the key under which its reply is stored.

A prompt is an instruction, a payload sent as JSON (so that text from models and videos stays data), and frames, each
sent after its timestamp as text, so that no model's own idea of time is trusted. The payload is sent in the order it
is given, and what many requests share comes first (the video's caption or summary, then the question, then the step):
a server's prefix cache keeps what requests begin with. The key covers all a reply depends on and nothing else: role,
model and revision, the messages with media replaced by their content hash, sampling, schema; a payload of another
order says the same and finds the same reply.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from components.core.records import canonical_json, digest_of
from components.core.teachers.roles import RoleSettings


class ReplyModel(BaseModel):
    """Base of a reply's form. `schema_name` travels in the request and names the kind of task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_name: ClassVar[str]


@dataclass(frozen=True)
class TimedImage:
    """One frame: seconds from the start of what is shown, and its JPEG bytes."""

    time_s: float
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True)
class Prompt:
    """One request to a teacher.

    Args:
        system: the instruction, the same for all records of a stage.
        payload: what it is about, JSON values only; what other requests share comes first.
        frames: images in order of time.
    """

    system: str
    payload: dict[str, Any]
    frames: Sequence[TimedImage] = ()

    @property
    def digest(self) -> str:
        """sha256 of the instruction, which is how lineage and manifests name a prompt."""
        return _digest_of_text(self.system)

    @cached_property
    def payload_json(self) -> str:
        """The payload as it is sent, in its own order."""
        return json.dumps(self.payload, separators=(",", ":"), ensure_ascii=False)

    def messages(self) -> list[dict[str, Any]]:
        """The messages in the form of the OpenAI chat protocol."""
        content: str | list[dict[str, Any]] = self.payload_json
        if self.frames:
            content = [{"type": "text", "text": self.payload_json}]
            for frame in self.frames:
                data = base64.b64encode(frame.jpeg).decode("ascii")
                content.append({"type": "text", "text": f"t={frame.time_s:.2f}s"})
                content.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}})
        return [{"role": "system", "content": self.system}, {"role": "user", "content": content}]

    def key_parts(self) -> list[Any]:
        """The messages with each image replaced by the sha256 of its bytes."""
        frames = [[f"{frame.time_s:.2f}", hashlib.sha256(frame.jpeg).hexdigest()] for frame in self.frames]
        return [self.system, canonical_json(self.payload), frames]


def request_key(role: RoleSettings, prompt: Prompt, reply_type: type[BaseModel], sample: int = 0) -> str:
    """The key of a stored reply (sha256, hex).

    Args:
        sample: tells apart several samples of one request at a temperature above 0.
    """
    sampling = [role.sampling(), sample]
    return digest_of(
        role.role, role.model_name, role.revision, prompt.key_parts(), sampling, _schema_digest(reply_type)
    )


@lru_cache(maxsize=512)
def response_format(reply_type: type[BaseModel]) -> dict[str, Any]:
    """The `response_format` of a request: a JSON schema, strict, by the reply's name."""
    name = getattr(reply_type, "schema_name", reply_type.__name__)
    schema = {"name": name, "strict": True, "schema": reply_type.model_json_schema()}
    return {"type": "json_schema", "json_schema": schema}


@lru_cache(maxsize=512)
def _schema_digest(reply_type: type[BaseModel]) -> str:
    return digest_of(response_format(reply_type))


@cache
def _digest_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
