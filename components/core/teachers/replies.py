"""Understanding what a model answered: the forms in which servers wrap a reply, and what none may contain.

The JSON of a reply may stand in `content` (as text or as a list of parts), in the arguments of a tool call, or in a
reasoning field that swallowed it; behind `<think>…</think>`, in a fence, or amid a polite sentence. Once found it is
read strictly: no second value for a key, no NaN or infinity, no depth that exhausts the stack, no longer than a reply
of that many tokens can be. Lone surrogates and control characters, which neither files nor terminals bear, become
U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)

CHARACTERS_PER_TOKEN = 4
"""Of English text; only for estimates."""

MOST_CHARACTERS_PER_TOKEN = 16
"""No tokenizer's mean over a reply comes near it."""

TOKENS_PER_IMAGE = 256
"""About what 448 x 448 pixels cost a Qwen2.5-VL; only for estimates."""

MOST_TOKENS = 10_000_000
"""No context is longer: what claims more is no count."""

FILTERED = frozenset({"content_filter", "refusal", "safety", "recitation", "prohibited_content", "blocklist", "spii"})
"""Finish reasons that say the reply was withheld; OpenAI's, Anthropic's and Google's words."""

_APOLOGY = re.compile(
    r"\W*(i(['’]m| am) (very |really |so )?(sorry|not able|unable)|sorry\b|i apologi[sz]e|i (can(no|['’])t|won['’]t)"
    r"|unfortunately,? i)",
    re.I,
)
_FENCE = re.compile(r"```[\w-]*\s*\n(.*?)(?:\n\s*```|\Z)", re.S)
_THOUGHT = re.compile(r"\A.*?</(?:think|thinking|thought|reasoning)>", re.S | re.I)
_UNENDED_THOUGHT = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.I)
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Completion:
    """What one answer holds.

    Attributes:
        text: where the JSON should be; "" if there is nothing.
        refusal: why the model or a filter withholds a reply; "" if it does not.
        tokens_in: of the request, None where the server names no possible number.
        tokens_out: of the reply, likewise.
        problem: why there is no text.
    """

    text: str
    finish_reason: str = ""
    refusal: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    problem: str = ""


def read_completion(answer: dict[str, Any]) -> Completion:
    """Read a chat completion, whatever of it is missing or of another form."""
    usage, choices = answer.get("usage"), answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    text, refusal = _text_and_refusal(message)
    reason = choice.get("finish_reason")
    reason = legible(reason, 40).lower() if isinstance(reason, str) else ""
    if reason in FILTERED and not refusal:
        refusal = f"withheld ({reason})"
    elif not refusal and _APOLOGY.match(text) and "{" not in text and "[" not in text:
        refusal = legible(text, 300)
    used = usage if isinstance(usage, dict) else {}
    return Completion(text, reason, refusal, _count(used.get("prompt_tokens")), _count(used.get("completion_tokens")))


def estimate_tokens(text: str, images: int = 0) -> int:
    """About how many tokens a text and images take, where a server does not say."""
    return len(text) // CHARACTERS_PER_TOKEN + images * TOKENS_PER_IMAGE + 1


def parse_reply(text: str, reply_type: type[Model], max_tokens: int) -> Model:
    """Validate a reply's text.

    Raises:
        ValueError: in words that its author can act on.
    """
    most = max_tokens * MOST_CHARACTERS_PER_TOKEN
    if len(text) > most:
        raise ValueError(f"it is {len(text)} characters long; {most} is the most that {max_tokens} tokens can hold")
    try:
        value = _read_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error})") from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    try:
        return reply_type.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{legible(where, 100) or 'it'}: {legible(first['msg'], 300)}") from error


def legible(text: str, most: int) -> str:
    """Text of strangers as errors show it: one line, cut to `most` characters, with nothing that a file refuses."""
    line = " ".join(_UNFIT.sub("\ufffd", text[: 4 * most]).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _text_and_refusal(message: dict[str, Any]) -> tuple[str, str]:
    content, refusal = message.get("content"), message.get("refusal")
    refusal = legible(refusal, 300) if isinstance(refusal, str) else ""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        refused = [part["refusal"] for part in parts if isinstance(part.get("refusal"), str)]
        refusal = refusal or legible(" ".join(refused), 300)
        content = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    if isinstance(content, dict):
        content = json.dumps(content)
    if not isinstance(content, str) or not content.strip():
        content = _arguments(message)
    for field in ("reasoning_content", "reasoning"):
        reasoning = message.get(field)
        if not content.strip() and isinstance(reasoning, str) and "{" in reasoning:
            content = reasoning
    return content, refusal


def _arguments(message: dict[str, Any]) -> str:
    """The arguments of a tool call, in today's form or the older one."""
    calls = message.get("tool_calls")
    call = calls[0] if isinstance(calls, list) and calls and isinstance(calls[0], dict) else {}
    function = call.get("function") or message.get("function_call")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if isinstance(arguments, dict):
        return json.dumps(arguments)
    return arguments if isinstance(arguments, str) else ""


def _count(value: Any) -> int | None:
    """A number of tokens, if `value` is one; servers also send strings, floats, and nonsense."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value)


def _read_json(text: str) -> Any:
    """The JSON value of a reply: as it stands, else behind its thoughts, else in its fence, else amid its prose."""
    text = text.strip().removeprefix("\ufeff")
    if not text.startswith(("{", "[")):
        text = _THOUGHT.sub("", text).strip()
        if _UNENDED_THOUGHT.match(text):
            raise ValueError("it holds nothing but thoughts")
        fence = _FENCE.search(text)
        if fence:
            text = fence[1].strip()
    try:
        return _strict(text)
    except json.JSONDecodeError as error:
        amid = text[text.find("{") : text.rfind("}") + 1]
        if not amid or amid == text:
            raise
        try:
            return _strict(amid)
        except json.JSONDecodeError:
            raise error from None


def _strict(text: str) -> Any:
    """Raw control characters inside strings pass the parser (xgrammar lets servers write them) and are cleaned here."""
    value = json.loads(
        text, strict=False, object_pairs_hook=_without_twins, parse_constant=_refuse_number, parse_float=_finite
    )
    return _clean(value) if "\\u" in text or _UNFIT.search(text) else value


def _without_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twins = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        raise ValueError(f"it gives more than one value for {legible(', '.join(twins), 100)}")
    return value


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) < float("inf") else _refuse_number(text)


def _refuse_number(text: str) -> float:
    raise ValueError(f"it holds {legible(text, 20)}, which is no number")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _UNFIT.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
