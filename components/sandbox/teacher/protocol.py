"""The OpenAI chat-completions protocol as the teacher speaks it: what it reads of a request, what it writes back.

A request carries one JSON object of text (the payload), frames as `t=12.50s` followed by a data URI, and a
`response_format` of type `json_schema` whose name says which reply is wanted. Its digest covers what determines the
reply: model, schema name, texts and images; not headers, not time-outs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_FRAME_TIME = re.compile(r"^\s*t\s*=\s*(\d+(?:\.\d+)?)\s*s\s*$")
# What an image costs a Qwen2.5-VL of this size: one token per 28x28 pixels, at least.
_TOKENS_PER_IMAGE = 16
_CHARACTERS_PER_TOKEN = 4


class BadRequest(Exception):
    """A request that cannot be answered, as an OpenAI error object."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class ChatRequest:
    """What a chat request says.

    Attributes:
        frames: pairs of the time in seconds and the image as a data URI.
        digest: sha256 (hex) of what determines the reply.
    """

    model: str
    schema: str
    payload: Mapping[str, Any]
    frames: tuple[tuple[float, str], ...]
    digest: str
    prompt_tokens: int
    seed: int = 0
    roles: frozenset[str] = field(default=frozenset())


def read_request(body: bytes) -> ChatRequest:
    """Read the body of `POST /v1/chat/completions`.

    Raises:
        BadRequest: the body is not such a request, or names an unknown model.
    """
    try:
        said = json.loads(body)
        model, messages = said["model"], said["messages"]
        schema = said["response_format"]["json_schema"]["name"]
    except (ValueError, KeyError, TypeError) as error:
        missing = f"The body is not a chat request with a response_format of type json_schema: {error!r}"
        raise BadRequest(400, missing, "invalid_request") from error
    if not isinstance(model, str) or not model.startswith("builtin"):
        raise BadRequest(
            404, f"The model {model!r} does not exist; the built-in ones are builtin-<role>.", "model_not_found"
        )
    texts, frames = _read_messages(messages)
    digest = hashlib.sha256()
    for part in (model, str(schema), *texts, *(f"{time_s}\x1f{image}" for time_s, image in frames)):
        digest.update(part.encode())
        digest.update(b"\x1e")
    return ChatRequest(
        model=model,
        schema=str(schema),
        payload=_find_payload(texts),
        frames=tuple(frames),
        digest=digest.hexdigest(),
        prompt_tokens=sum(map(len, texts)) // _CHARACTERS_PER_TOKEN + len(frames) * _TOKENS_PER_IMAGE,
        seed=int(said.get("seed") or 0),
        roles=frozenset({model.removeprefix("builtin-"), str(schema)}),
    )


def _read_messages(messages: list[dict[str, Any]]) -> tuple[list[str], list[tuple[float, str]]]:
    """All texts in order, and the frames; the text before an image gives its time and is no text of its own."""
    texts: list[str] = []
    frames: list[tuple[float, str]] = []
    try:
        for message in messages:
            content = message.get("content") or ""
            parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
            time_s: float | None = None
            for part in parts:
                if part["type"] == "text":
                    stamp = _FRAME_TIME.match(part["text"])
                    time_s = float(stamp[1]) if stamp else None
                    if stamp is None:
                        texts.append(part["text"])
                elif part["type"] == "image_url":
                    if time_s is None:
                        raise BadRequest(400, "An image has no time before it, such as t=12.50s.", "invalid_request")
                    frames.append((time_s, part["image_url"]["url"]))
                    time_s = None
    except (KeyError, TypeError, AttributeError) as error:
        raise BadRequest(400, f"A message is not of the chat protocol: {error!r}", "invalid_request") from error
    return texts, frames


def _find_payload(texts: list[str]) -> Mapping[str, Any]:
    """The first text that is a JSON object."""
    for text in texts:
        if text.lstrip().startswith("{"):
            try:
                payload = json.loads(text)
            except ValueError:
                continue
            if isinstance(payload, dict):
                return payload
    raise BadRequest(400, "No text of the request is a JSON object.", "invalid_request")


def write_completion(request: ChatRequest, content: str, created: int, finish_reason: str = "stop") -> bytes:
    """The body of a completion with one choice."""
    completion_tokens = len(content) // _CHARACTERS_PER_TOKEN + 1
    return json.dumps(
        {
            "id": f"chatcmpl-{request.digest[:24]}",
            "object": "chat.completion",
            "created": created,
            "model": request.model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content},
                    "finish_reason": finish_reason,
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": request.prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": request.prompt_tokens + completion_tokens,
            },
        }
    ).encode()


def write_error(message: str, kind: str, code: str) -> bytes:
    """The body of an error as OpenAI shapes it."""
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()
