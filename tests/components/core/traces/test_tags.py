from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.traces.tags import Pair, parse, render, strip

PLAIN = st.text(st.characters(exclude_characters="<>", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text == text.strip()
)


@given(st.lists(st.builds(Pair, PLAIN, PLAIN), max_size=4), PLAIN)
def test_what_is_rendered_is_parsed_back(pairs: list[Pair], answer: str) -> None:
    parsed = parse(render(tuple(pairs), answer))
    assert parsed.pairs == tuple(pairs)
    assert (parsed.answer, parsed.well_formed) == (answer, True)


def test_prose_between_the_tags_is_allowed() -> None:
    text = "First <action>look at 00:03</action> and <observation>a cross</observation> so <answer>cross</answer>."
    assert parse(text).well_formed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no tags at all",
        "<answer>red",
        "<answer></answer>",
        "<answer>red</answer><answer>blue</answer>",
        "<action>look at 00:03</action><answer>red</answer>",
        "<observation>red</observation><answer>red</answer>",
        "<action>a<action>b</action><observation>c</observation><answer>red</answer>",
        "<answer>red</answer><action>look</action><observation>late</observation>",
        "<action>look at 00:03</action><observation>a</observation></answer>red<answer>",
    ],
)
def test_text_that_breaks_the_grammar_is_not_well_formed(text: str) -> None:
    assert not parse(text).well_formed


def test_half_a_trace_still_gives_what_it_has() -> None:
    parsed = parse("<action>look at 00:03</action><observation>a cross</observation><answer>cr")
    assert parsed.pairs == (Pair("look at 00:03", "a cross"),)
    assert (parsed.answer, parsed.well_formed) == ("", False)


@given(st.lists(st.sampled_from(["<action>", "</action>", "<answer>", "</", "<", ">", "answer", "x"])).map("".join))
def test_stripping_leaves_no_tag_behind(text: str) -> None:
    assert not any(tag in strip(text) for tag in ("<action>", "</action>", "<answer>", "</answer>"))


@given(st.lists(st.sampled_from(["<action>", "</action>", "<answer>", "</", "<", ">", "answer", "x"])).map("".join))
def test_stripping_removes_tags_until_none_is_left_and_nothing_else(text: str) -> None:
    plain = text
    while (shorter := re.sub(r"</?(?:action|observation|answer)>", "", plain)) != plain:
        plain = shorter
    assert strip(text) == plain


@pytest.mark.parametrize(("opening", "closing"), [("<act", "ion>"), ("<", "answer>"), ("</obs<action>", "ervation>")])
def test_stripping_nested_tags_takes_time_in_proportion_to_the_text(opening: str, closing: str) -> None:
    """Eight times the text: eight times the time, sixty-four for a pass over the text per tag."""

    def seconds(depth: int) -> float:
        text = opening * depth + "<action>" + closing * depth
        spent = []
        for _ in range(3):
            began = time.process_time()
            assert "<action>" not in strip(text)
            spent.append(time.process_time() - began)
        return min(spent)

    assert seconds(8000) < 24 * seconds(1000)
