"""The key of a stored reply: equal where nothing a reply depends on differs, and different where anything does."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from components.core.data.rows import canonical_json
from components.core.teachers.prompts import Prompt, ReplyModel, TimedImage, request_key, response_format
from tests.components.builtin_roles import builtin_role


class Text(ReplyModel):
    """One form of reply."""

    schema_name: ClassVar[str] = "prose"
    text: str


class LongText(ReplyModel):
    """Another form under the same name."""

    schema_name: ClassVar[str] = "prose"
    text: str
    more: str


ROLE = builtin_role("converter")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
PAYLOADS = st.dictionaries(st.text(max_size=8), VALUES, max_size=5)


@given(PAYLOADS)
def test_a_payload_is_sent_in_the_order_given_and_its_reply_is_found_again_in_any(payload: dict[str, Any]) -> None:
    backwards = dict(reversed(list(payload.items())))
    assert list(json.loads(Prompt("s", payload).payload_json)) == list(payload)
    assert list(json.loads(Prompt("s", backwards).payload_json)) == list(backwards)
    assert request_key(ROLE, Prompt("s", payload), Text) == request_key(ROLE, Prompt("s", backwards), Text)


@given(PAYLOADS, PAYLOADS)
def test_different_payloads_have_different_keys(one: dict[str, Any], other: dict[str, Any]) -> None:
    keys = {request_key(ROLE, Prompt("s", payload), Text) for payload in (one, other)}
    assert len(keys) == len({canonical_json(payload) for payload in (one, other)})


def test_everything_a_reply_depends_on_changes_the_key() -> None:
    prompt = Prompt("s", {"a": 1}, [TimedImage(1.0, "x")])
    variants = [
        request_key(ROLE, prompt, Text),
        request_key(ROLE, prompt, Text, sample=1),
        request_key(ROLE, prompt, LongText),
        request_key(ROLE, Prompt("t", {"a": 1}, prompt.frames), Text),
        request_key(ROLE, Prompt("s", {"a": 1}), Text),
        request_key(ROLE, Prompt("s", {"a": 1}, [TimedImage(2.0, "x")]), Text),
        request_key(ROLE, Prompt("s", {"a": 1}, [TimedImage(1.0, "y")]), Text),
        request_key(ROLE, Prompt("s", {"a": 1}, [TimedImage(1.0, "x")] * 2), Text),
    ]
    changes: list[dict[str, Any]] = [
        {"role": "judge"},
        {"model": "other"},
        {"revision": "2"},
        {"temperature": 0.7},
        {"max_tokens": 7},
    ]
    variants += [request_key(ROLE.model_copy(update=change), prompt, Text) for change in changes]
    assert len(set(variants)) == len(variants)


def test_where_a_model_is_served_and_what_it_costs_changes_no_key() -> None:
    prompt = Prompt("s", {"a": 1})
    elsewhere = ROLE.model_copy(update={"endpoint": "vllm", "price_in": 3.0, "timeout_s": 5.0, "attempts": 9})
    assert request_key(elsewhere, prompt, Text) == request_key(ROLE, prompt, Text)


def test_keys_never_change_by_accident() -> None:
    """A key that changes makes everyone buy every reply again: change this only on purpose."""
    prompt = Prompt("Describe.", {"b": "é", "a": [1, 2.5]}, [TimedImage(0.5, {"video": "v", "at_s": 0.5})])
    assert request_key(ROLE, prompt, Text) == "83065fee67744b11633af2ef1c0049ce0a6ad3dcc15b0a154feba519c65a2d05"


class Kind(StrEnum):
    """Kinds of answers, as we explain them to each other."""

    SHORT = "short"
    LONG = "long"


class Part(BaseModel):
    """A part of a reply, as we explain it to each other."""

    kind: Kind
    text: str = Field(description="in at most ten words")


class Parts(ReplyModel):
    """A reply of parts, as we explain it to each other."""

    schema_name: ClassVar[str] = "parts"
    parts: list[Part] = Field(description="in order")


class Reworded(Parts):
    """Said better."""


def test_docstrings_are_neither_sent_nor_keyed_and_what_instructs_the_teacher_is() -> None:
    sent = json.dumps(response_format(Parts))
    assert "explain" not in sent
    assert "in at most ten words" in sent and "in order" in sent
    Reworded.__name__ = Parts.__name__
    prompt = Prompt("s", {})
    assert request_key(ROLE, prompt, Reworded) == request_key(ROLE, prompt, Parts)


def test_no_stage_sends_a_docstring() -> None:
    from components.agent_cot import prompts as agent_prompts
    from components.captioning import prompts as caption_prompts
    from components.contrastive_qa import prompts as question_prompts
    from components.core.judging import prompts as judge_prompts
    from components.filter_probes import prompts as probe_prompts
    from components.quality_gates import prompts as gate_prompts
    from components.segmentation import prompts as segment_prompts

    modules = (
        agent_prompts, caption_prompts, question_prompts, judge_prompts, probe_prompts, gate_prompts, segment_prompts,
    )  # fmt: skip
    sent = [
        (value.__doc__, json.dumps(response_format(value)))
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ReplyModel) and value is not ReplyModel
    ]
    assert len(sent) >= 12
    assert not [doc for doc, schema in sent if '"description"' in schema]
