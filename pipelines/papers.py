"""What a run does otherwise than the papers.

The settings classes hold the papers' values, or ours where the papers are silent; each says which in its docstring. So
what a profile changes is what its run does otherwise, and that is read off, not written down again. Written down here
is only what the classes cannot say: what a paper reports and we do otherwise even for the real job, and its models.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from components.core.data.settings import Settings
from components.core.teachers.roles import RoleSettings
from components.core.video.settings import VideoSettings
from pipelines.profile import Profile
from pipelines.teachers import BUILTIN

PAPER = "ReWatch-R1"
SECOND_HAND = "second-hand"

OTHERWISE: dict[str, tuple[str, str, str]] = {
    "ingestion.eval_share": ("0", PAPER, "It measures on public benchmarks alone; a gate for promotion needs its own."),
    "sft.phases": (
        "49,000 × 64 samples",
        SECOND_HAND,
        "Ten epochs, of whose steps those near 29,000 were best; questions about one video share its frames here.",
    ),
    "sft.optimizer.learning_rate": ("1e-06", SECOND_HAND, "For a twentieth of the steps, Video-Thinker's rate."),
    "grpo.optimizer.learning_rate": ("1e-05", SECOND_HAND, "Video-Thinker saw training collapse at it."),
}
"""By setting: what the paper reports, where that is from, and why it is not our value for the real job."""

TEACHERS = {
    "segmenter": "Gemini-2.5-Flash",
    "captioner": "Gemini-2.5-Flash",
    "summarizer": "Gemini-2.5-Flash-Lite",
    "question_writer": "Gemini-2.5-Flash",
    "verifier": "GPT-4.1",
    "probe_a": "Qwen3-235B-A22B-Instruct",
    "probe_b": "Qwen2.5-VL-72B-Instruct",
    "rewriter": "Gemini-2.5-Flash",
    "reasoner": "Gemini-2.5-Flash",
    "observer": "GPT-4.1",
    "converter": "Gemini-2.5-Flash-Lite",
    "judge": "Qwen3-30B-A3B-Instruct",
    "inferrer": "Qwen3-30B-A3B-Instruct",
}
"""ReWatch-R1's model for each role; an auditor it has none."""

SOURCES = {
    r"ReWatch-R1|[Tt]he paper|paper:": PAPER,
    r"Video-Thinker": "Video-Thinker",
    r"Qwen's tools": "Qwen's tools",
    r"\b[Oo]urs\b": "ours",
}
WIDTHS = (33, 28, 27)
"""Columns of the table for the setting, its value here and the papers'."""


@dataclass(frozen=True)
class Difference:
    """One setting that is not the papers'."""

    section: str
    setting: str
    here: str
    papers: str
    source: str
    why: str = ""


def differences(profile: Profile) -> list[Difference]:
    """What the profile does otherwise than the papers, in the order of the stages; the teachers come last."""
    found = []
    for stage, section in profile.stages.items():
        usual = profile.pipeline.stages[stage]
        for name, here, papers, text in _settings(section, usual, ""):
            reported, source, why = OTHERWISE.get(f"{stage}.{name}", ("", "", ""))
            if _said(here) != (reported or _said(papers)):
                why = why if here == papers else ""
                found.append(
                    Difference(stage, name, _said(here), reported or _said(papers), source or source_of(text), why)
                )
    return [*found, *_teachers(profile)]


def source_of(docstring: str) -> str:
    """Whose value a setting's default is: the one whom its docstring names first; empty where it names nobody."""
    places = {match.start(): name for mark, name in SOURCES.items() if (match := re.search(mark, docstring))}
    return places[min(places)] if places else ""


def table(profile: Profile) -> str:
    """The differences for a terminal of 100 columns."""
    found = differences(profile)
    head = (
        f"What the profile {profile.name} does otherwise than the papers. Where the source is `ours` they are silent: "
        "the value is ours for the real job."
    )
    lines = [*textwrap.wrap(head, 100), "", _row("", "here", "papers", "source")]
    section = ""
    for one in found:
        if one.section != section:
            section = one.section
            lines.append(section)
        lines.append(_row(f"  {one.setting}", one.here, one.papers, one.source))
        lines += textwrap.wrap(one.why, 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _settings(section: BaseModel, usual: BaseModel, prefix: str) -> Iterator[tuple[str, Any, Any, str]]:
    """Every setting that changes results, by its dotted name: its value here, the default and the docstring."""
    skipped = section.not_content if isinstance(section, Settings) else frozenset()
    for name, field in type(section).model_fields.items():
        here, default = getattr(section, name), getattr(usual, name)
        if name in skipped or _is_about_teachers(here) or isinstance(here, VideoSettings):
            continue
        if isinstance(here, Settings) and isinstance(default, Settings):
            yield from _settings(here, default, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", here, default, field.description or ""


def _is_about_teachers(value: Any) -> bool:
    return isinstance(value, RoleSettings) or (isinstance(value, tuple) and _is_about_teachers(next(iter(value), None)))


def _teachers(profile: Profile) -> Iterator[Difference]:
    """One line for every role that another model answers than in the paper; one for all where it is the built-in."""
    models = {role.role: role for role in profile.roles()}
    builtin = [name for name, role in models.items() if role.endpoint == BUILTIN]
    if builtin:
        all_roles = "every role" if len(builtin) == len(models) else ", ".join(builtin)
        yield Difference("teachers", all_roles, "the built-in teacher", "Gemini, GPT-4.1, Qwen3", PAPER)
    for name, role in models.items():
        papers, model = TEACHERS.get(name, ""), role.model.rsplit("/", 1)[-1]
        if role.endpoint != BUILTIN and not (papers and model.casefold().startswith(papers.casefold())):
            yield Difference("teachers", name, model, papers or "none", PAPER if papers else "ours")


def _said(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_said, value))}]"
    return "none" if value is None else repr(value) if value == "" else str(value)


def _row(*cells: str) -> str:
    """Cells in columns; what does not fit ends in an ellipsis."""
    columns = zip(cells, WIDTHS, strict=False)
    fitted = [(cell if len(cell) < width else f"{cell[: width - 2]}…").ljust(width) for cell, width in columns]
    return "".join([*fitted, cells[3]]).rstrip()
