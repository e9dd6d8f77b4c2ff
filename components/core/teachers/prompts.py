"""What is sent to a teacher, and the key under which its reply is stored.

A prompt is an instruction, a payload sent as JSON (so that text from models and videos stays data), and frames, each
sent after its timestamp as text, so that no model's own idea of time is trusted. The payload is sent in the order it
is given, and what many requests share comes first (the video's caption or summary, then the question, then the step):
a server's prefix cache keeps what requests begin with. The key covers all a reply depends on and nothing else: role,
model and revision, the messages with each picture replaced by its name, sampling, schema; a payload of another order
says the same and finds the same reply. Pictures are made once a request is really sent: neither their bytes nor the
library that wrote these are part of the key, and a stored reply is found without opening a video.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, JsonValue

from components.core.data.rows import canonical_json, digest_of
from components.core.teachers.roles import RoleSettings


class ReplyModel(BaseModel):
    """Base of a reply's form. `schema_name` travels in the request and names the kind of task.

    What a teacher is to read stands in `Field(description=…)`; docstrings are for us and are not sent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_name: ClassVar[str]


@dataclass(frozen=True)
class TimedImage:
    """One frame of a prompt.

    Args:
        time_s: seconds from the start of what is shown.
        name: what the picture is of and how it is made, never its bytes (timed_images.py).
    """

    time_s: float
    name: JsonValue


Shown = Sequence[tuple[float, bytes]]
"""Frames as they are sent: second and JPEG bytes."""


async def _no_pictures() -> Sequence[bytes]:
    return ()


@dataclass(frozen=True)
class Prompt:
    """One request to a teacher.

    Args:
        system: the instruction, the same for all records of a stage.
        payload: what it is about, JSON values only; what other requests share comes first.
        frames: images in order of time.
        pictures: makes the JPEG bytes of all frames, in their order; called only when the request is sent.
    """

    system: str
    payload: dict[str, Any]
    frames: Sequence[TimedImage] = ()
    pictures: Callable[[], Awaitable[Sequence[bytes]]] = field(default=_no_pictures, compare=False, repr=False)

    @property
    def digest(self) -> str:
        """sha256 of the instruction, which is how lineage and manifests name a prompt."""
        return _digest_of_text(self.system)

    @cached_property
    def payload_json(self) -> str:
        """The payload as it is sent, in its own order."""
        return json.dumps(self.payload, separators=(",", ":"), ensure_ascii=False)

    async def shown(self) -> Shown:
        """The frames with their pictures.

        Raises:
            VideoError: a frame cannot be read any more.
        """
        pictures = await self.pictures()
        return [(frame.time_s, jpeg) for frame, jpeg in zip(self.frames, pictures, strict=True)]

    def messages(self, shown: Shown = ()) -> list[dict[str, Any]]:
        """The messages in the form of the OpenAI chat protocol.

        Args:
            shown: the frames to send, all or some.
        """
        content: str | list[dict[str, Any]] = self.payload_json
        if shown:
            content = [{"type": "text", "text": self.payload_json}]
            for time_s, jpeg in shown:
                data = base64.b64encode(jpeg).decode("ascii")
                content.append({"type": "text", "text": f"t={time_s:.2f}s"})
                content.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}})
        return [{"role": "system", "content": self.system}, {"role": "user", "content": content}]

    def key_parts(self) -> list[Any]:
        """The messages with each picture replaced by its name."""
        frames = [[f"{frame.time_s:.2f}", frame.name] for frame in self.frames]
        return [self.system, canonical_json(self.payload), frames]


def request_key(role: RoleSettings, prompt: Prompt, reply_type: type[BaseModel], sample: int = 0) -> str:
    """The key of a stored reply (sha256, hex).

    Args:
        sample: tells apart several samples of one request at a temperature above 0.
    """
    sampling = [role.sampling(), sample]
    return digest_of(role.role, role.model, role.revision, prompt.key_parts(), sampling, _schema_digest(reply_type))


@lru_cache(maxsize=512)
def response_format(reply_type: type[BaseModel]) -> dict[str, Any]:
    """The `response_format` of a request: a JSON schema, strict, by the reply's name, without docstrings."""
    name = getattr(reply_type, "schema_name", reply_type.__name__)
    schema = {"name": name, "strict": True, "schema": _schema_of(reply_type)}
    return {"type": "json_schema", "json_schema": schema}


@lru_cache(maxsize=512)
def _schema_digest(reply_type: type[BaseModel]) -> str:
    return digest_of(response_format(reply_type))


def _schema_of(reply_type: type[BaseModel]) -> dict[str, Any]:
    """A reply's schema in which docstrings are no descriptions; those that a field was given stay."""
    schema = reply_type.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("description", None)
    return schema


@cache
def _digest_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
