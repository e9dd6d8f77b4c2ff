from __future__ import annotations

import doctest
from random import Random

from components.core.traces.tags import parse
from components.sft import unfaithful as module
from components.sft.unfaithful import unfaithful

NAMES = ["purple cross", "red circle", "white circle", "yellow circle"]
TRACE = (
    "<action>find purple cross</action>"
    "<observation>00:00 white circle no 00:01 purple cross yes 00:02 a yellow circle no. 00:01-00:02</observation>"
    "<action>look at 00:02</action><observation>00:02 yellow circle</observation><answer>yellow circle</answer>"
)


def test_the_example_in_the_documentation_holds() -> None:
    assert doctest.testmod(module).failed == 0


def test_only_what_is_named_in_observations_changes_and_the_same_thing_alike() -> None:
    for seed in range(20):
        told, true = parse(unfaithful(TRACE, NAMES, Random(seed))), parse(TRACE)
        assert [pair.action for pair in told.pairs] == [pair.action for pair in true.pairs]
        assert (told.answer, told.well_formed) == (true.answer, True)
        scan, look = (pair.observation for pair in told.pairs)
        words = scan.split()
        assert [words[0], words[3], words[4], words[7], words[8], words[11]] == [
            "00:00", "no", "00:01", "yes", "00:02", "no.",
        ]  # fmt: skip
        seen = [" ".join(words[place : place + 2]) for place in (1, 5, 9)]
        assert set(seen) <= set(NAMES) and look == f"00:02 {seen[2]}"
        assert all(
            one != other for one, other in zip(seen, ["white circle", "purple cross", "yellow circle"], strict=True)
        )


def test_where_there_is_nothing_else_to_name_a_trace_stays() -> None:
    assert unfaithful(TRACE, ["yellow circle"], Random(0)) == TRACE
