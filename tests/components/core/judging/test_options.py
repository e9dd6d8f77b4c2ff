from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.judging.matching import normalise
from components.core.judging.options import match_option

OPTIONS = ("red circle", "red", "yellow triangle", "12")
TIMES = ("00:02", "00:03", "00:02-00:05", "00:04")
SECONDS = ("1", "2", "3", "4")
SHAPES = ("a dog", "a man not wearing a hat", "red, then blue", "a cat")
HOW_LONG = "For how many seconds is it visible?"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        # plain
        ("red", 1),
        ("RED CIRCLE.", 0),
        ("It is a red circle", 0),
        ("twelve", 3),
        ("green", None),
        ("", None),
        ("   ", None),
        # letters
        ("(C)", 2),
        ("c", 2),
        ("[B]", 1),
        ("B.", 1),
        ("Answer: B", 1),
        ("Option B", 1),
        ("choice (b)", 1),
        ("I choose B", 1),
        ("I think it's B.", 1),
        ("It's A", 0),
        ("B is correct", 1),
        ("A is the right answer.", 0),
        ("E", None),
        ("Z.", None),
        # letters with text
        ("B) red", 1),
        ("B. red", 1),
        ("B: red", 1),
        ("B - red", 1),
        ("(B) red", 1),
        ("A. red circle", 0),
        ("B) yellow triangle", None),
        ("B. yellow triangle", None),
        ("The answer is B. yellow triangle", None),
        # wrappings
        ("**B**", 1),
        ("**B**.", 1),
        ("__C__", 2),
        ("`B`", 1),
        ("***Answer:*** **(B)**", 1),
        ("# Answer\n\nB", 1),
        ("- B", 1),
        (r"\boxed{B}", 1),
        (r"$\boxed{\text{B}}$", 1),
        (r"\[\boxed{\textbf{(B)}}\]", 1),
        (r"The answer is $\boxed{C}$.", 2),
        (r"\boxed{\text{yellow triangle}}", 2),
        (r"\boxed{B. red}", 1),
        (r"\fbox{B", 1),
        ("<answer>B</answer>", 1),
        ("<ANSWER> (B) </ANSWER>", 1),
        ("maybe A <answer>A</answer> no, wait <answer>C</answer>", 2),
        ("<think>A or B or C</think>B", 1),
        ('{"answer": "B"}', 1),
        ("Ｂ", 1),
        ("\u200bB\u200b", 1),
        ("“B”", 1),
        # declared
        ("The answer is B", 1),
        ("The correct answer is (C).", 2),
        ("Final answer: (B)", 1),
        ("Final Answer: **B**", 1),
        ("So the correct option is C", 2),
        ("The answer is: yellow triangle.", 2),
        ("The red circle comes first, then the yellow triangle. The answer is C.", 2),
        ("Answer: B\nReason: the red circle comes before the yellow triangle.", 1),
        ("The answer is B, the red one.", 1),
        ("Therefore, the answer to the question is B.", 1),
        # reasons given after it
        ("C, because the red circle has gone by then", 2),
        ("C because it is shown last", 2),
        ("B, since there is no circle", 1),
        ("B. The red circle appears before the yellow triangle.", 1),
        # denied
        ("I think it's not B", None),
        ("It isn't B.", None),
        ("not red circle", None),
        ("not A but B", 1),
        ("B, not C", 1),
        ("A is wrong, B is right", 1),
        ("B is wrong", None),
        ("neither B nor C", None),
        ("anything but B", None),
        ("It is a red circle, not a yellow triangle", 0),
        ("The answer is not B", None),
        # more than one
        ("red circle or red", None),
        ("red circle and yellow triangle", None),
        ("B or C", None),
        ("A or B", None),
        ("A and B", None),
        ("A/B", None),
        ("b or c", None),
        ("option a or b", None),
        ("A, B, C, D", None),
        ("A B C D", None),
        ("(A) (B) (C) (D)", None),
        ("a) b) c) d)", None),
        ("A) red circle B) red C) yellow triangle D) 12", None),
        ("A. red circle\nB. red\nC. yellow triangle\nD. 12", None),
        ("B: red or yellow triangle", None),
        ("The answer is A. The answer is B.", None),
        ("The answer is A or B.", None),
        ("The answer is A. B. C. D.", None),
        ("Answer: A, B", None),
        (r"\boxed{A} \boxed{B}", None),
        (r"\boxed{A, B}", None),
        ("B, C", None),
        ("B. But it could also be C", None),
        # articles and other words that are no letters
        ("A dog runs.", None),
        ("The answer is a dog", None),
        ("I see nothing", None),
        ("A", 0),
        ("a", 0),
        ("Because it is dark", None),
        ("Cannot tell", None),
        ("Vitamin C", None),
    ],
)
def test_a_reply_means_one_option_or_none(reply: str, expected: int | None) -> None:
    assert match_option(reply, OPTIONS) == expected


@pytest.mark.parametrize(
    ("reply", "options", "question", "expected"),
    [
        ("It appears at 00:03.", TIMES, "", 1),
        ("at [00:03]", TIMES, "", 1),
        ("between 00:02 and 00:05", TIMES, "", 2),
        ("from 00:02 to 00:05", TIMES, "", 2),
        ("00:02 – 00:05", TIMES, "", 2),
        ("3 seconds in", TIMES, "", 1),
        ("00:03 or 00:04", TIMES, "", None),
        ("not at 00:03", TIMES, "", None),
        ("3 seconds", SECONDS, HOW_LONG, 2),
        ("three seconds", SECONDS, HOW_LONG, 2),
        ("It is visible for 3 s.", SECONDS, HOW_LONG, 2),
        ("3 minutes", SECONDS, HOW_LONG, None),
        ("more than 3", SECONDS, HOW_LONG, None),
        ("2-3 seconds", SECONDS, HOW_LONG, None),
        ("180 seconds", SECONDS, "For how many minutes is it visible?", 2),
        ("A dog runs.", SHAPES, "", 0),
        ("The man is not wearing a hat", SHAPES, "", None),
        ("It is a man not wearing a hat.", SHAPES, "", 1),
        ("It is red, then blue, I believe.", SHAPES, "", 2),
        ("It is a cat, not a dog.", SHAPES, "", 3),
        ("B", ("C", "B", "A", "D"), "", 1),
        ("A", ("C", "B", "A", "D"), "", 2),
        ("The letter is **A**", ("C", "B", "A", "D"), "", None),
        ("red", ("red", "Red", "blue", "green"), "", None),
    ],
)
def test_values_phrases_and_letters_as_options(
    reply: str, options: Sequence[str], question: str, expected: int | None
) -> None:
    assert match_option(reply, options, question) == expected


def test_times_are_matched_as_options_to_the_second() -> None:
    assert [match_option(option, TIMES) for option in TIMES] == [0, 1, 2, 3]


@given(st.lists(st.text(alphabet="abcdefghij ", min_size=1, max_size=12), min_size=2, max_size=5, unique_by=normalise))
def test_every_option_matches_itself(options: list[str]) -> None:
    for index, option in enumerate(options):
        if normalise(option):
            assert match_option(option, options) == index


WRAPS = ("{}", "**{}**", "({})", r"\boxed{{{}}}", r"$\boxed{{\text{{{}}}}}$", "<answer>{}</answer>", "`{}`", "*{}*.")
LEADS = ("{}", "Answer: {}", "The answer is {}", "Final answer: {}.", "I am sure. So the correct answer is {}")


@given(st.sampled_from("ABCD"), st.sampled_from(WRAPS), st.sampled_from(LEADS))
def test_a_letter_counts_in_any_wrapping(letter: str, wrap: str, lead: str) -> None:
    assert match_option(lead.format(wrap.format(letter)), OPTIONS) == "ABCD".index(letter)


@given(
    st.sampled_from([pair for pair in permutations("ABCD", 2)]),
    st.sampled_from(WRAPS[:6]),
    st.sampled_from((" or ", ", ", " and ", "/", "\n", ". ", " ", "; or maybe ")),
    st.sampled_from(LEADS[:4]),
)
def test_two_letters_never_earn_a_match(pair: tuple[str, str], wrap: str, between: str, lead: str) -> None:
    said = [wrap.format(letter) for letter in pair]
    got = match_option(lead.format(between.join(said)), OPTIONS)
    if wrap.startswith("<answer>"):  # the last answer tag is the answer, whatever stands before it
        assert got in (None, "ABCD".index(pair[1]))
    else:
        assert got is None


@given(st.permutations(OPTIONS), st.sampled_from((" or ", ", ", "\n", " / ", "; ")))
def test_listing_every_option_earns_nothing(said: list[str], between: str) -> None:
    assert match_option(between.join(said), OPTIONS) is None
    assert match_option("The answer is " + between.join(said), OPTIONS) is None


@given(st.text(max_size=60), st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_no_text_breaks_the_matching(reply: str, options: list[str]) -> None:
    assert match_option(reply, options) in (None, *range(len(options)))


@pytest.mark.parametrize(
    "piece", ["*", "{", r"\boxed{", "<answer>", "<think>", "A ", "~~", " ", "1,000", "B) ", "$", "\n"]
)
def test_a_huge_reply_costs_no_time(piece: str) -> None:
    before = time.process_time()
    match_option(piece * (400_000 // len(piece)), OPTIONS)
    assert time.process_time() - before < 60, "seconds of CPU; reading it once takes one"
