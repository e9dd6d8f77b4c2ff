"""The page of a fixed tiny run: what it says, that it stands alone, and that nothing from a model becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from components.reporting.facts import gather, write_page
from components.reporting.page import render_card
from tests.components.reporting.golden import GOLDEN, golden_text, words_of
from tests.components.reporting.worlds import SETTINGS, World, build_run
from tests.pages import fetched, policy

VOID = {"meta", "br", "img", "link", "input", "hr"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_run(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def page(world: World) -> str:
    return written(world)


def written(world: World) -> str:
    facts = gather(SETTINGS.model_copy(update={"timelines": 26}), world.roots.values(), world.record)
    return write_page(facts, world.run / "report").read_text()


class Outline(HTMLParser):
    """Checks that tags close in order, and collects scripts, addresses and headings."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_page_has_every_section(page: str) -> None:
    assert outline(page).headings == [
        "Decision",
        "Funnel",
        "Quality gates",
        "Evaluation",
        "Training",
        "Questions",
        "Time and cost",
        "Lineage",
        "Quarantine",
        "Videos",
    ]


def test_the_page_stands_alone(page: str) -> None:
    parsed = outline(page)
    assert "script" not in parsed.tags and "link" not in parsed.tags
    assert not [address for address in parsed.addresses if "//" in address or address.startswith("/")]
    assert fetched(page) == []
    assert policy(page) == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_the_card_holds_no_markup_of_a_corpus_or_a_model(tmp_path: Path) -> None:
    world = build_run(tmp_path, clips=8)
    hostile = "![x](http://evil.example/x.png) | <img src=http://evil.example/y.png>\n# Sources"
    facts = gather(SETTINGS, world.roots.values(), world.record)
    tallies = replace(facts.tallies, sources=((hostile, hostile, 8),))
    card = render_card(replace(facts, tallies=tallies))
    [row] = [line for line in card.splitlines() if "evil.example" in line]
    assert "![" not in card and "<img" not in card
    assert len(re.findall(r"(?<!\\)\|", row)) == 4


def test_the_page_reads_as_it_did(world: World) -> None:
    """Golden: the page's words, digests aside. To accept a change: `python -m tests.components.reporting.golden`."""
    assert golden_text(world) == GOLDEN.read_text()


def test_every_rate_shows_its_denominator(page: str) -> None:
    words = words_of(page)
    assert "videos ingested 24 / 25 · 96.0% 1 no video stream" in words
    assert "questions kept by the filters 72 / 96 · 75.0% 24 text_only: # of # probes were right" in words
    assert "accuracy of GRPO think on held-out questions, 95 % 69.0% to 78.0%, n = 400" in words
    assert "Protocol. Frames: 16, 2 per second, 56x56 pixels. Decoding: greedy." in words


def test_gates_show_what_was_undecided(page: str) -> None:
    assert "undecided text only accuracy seconds covered (fewer than 100)" in words_of(page)


def test_the_timeline_holds_events_evidence_and_looks(page: str) -> None:
    assert page.count('class="evidence"') == 24 * 3
    assert page.count('class="look"') == 57  # every trajectory looks once
    assert "look 1: segment query (00:00): 00:00 a red circle" in page


def test_lineage_names_every_dataset_once(page: str) -> None:
    drawn = page[page.index('id="lineage"') : page.index('id="quarantine"')]
    names = re.findall(r'class="name">([^<]+)<', drawn)
    assert sorted(names) == sorted(
        [
            "corpus",
            "captioning",
            "captions (gate passed)",
            "questions (gate passed)",
            "trajectories",
            "sft model",
            "grpo model",
            "evaluation",
            "decision",
        ]
    )
    assert names.index("corpus") < names.index("captions (gate passed)") < names.index("sft model")
    assert "2 shards" in drawn


def test_text_from_models_is_never_markup(tmp_path: Path) -> None:
    hostile = written(build_run(tmp_path, clips=8, caption_text=HOSTILE))
    parsed = outline(hostile)
    assert "script" not in parsed.tags and "img" not in parsed.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile
    assert "{{ 7*7 }}" in hostile


def test_what_opens_mlflow_is_its_address_where_a_server_keeps_it(world: World) -> None:
    facts = gather(SETTINGS, world.roots.values(), world.record, opens_mlflow="http://mlflow.rewatch:5000")
    words = words_of(write_page(facts, world.run / "served").read_text())
    assert "http://mlflow.rewatch:5000 opens the registry" in words
    assert "http://mlflow.rewatch:5000 opens the same runs in MLflow" in words and "make ui" not in words


def test_the_same_run_gives_the_same_page(world: World, page: str) -> None:
    assert written(world) == page


def test_a_run_that_stopped_early_reports_what_it_finished(world: World) -> None:
    roots = [world.roots[name] for name in ("corpus", "captions")]
    facts = gather(SETTINGS, roots, world.record, problem="gate-questions: refused <b>")
    page = write_page(facts, world.run / "partial").read_text()
    assert outline(page).headings == ["Funnel", "Quality gates", "Time and cost", "Lineage", "Quarantine", "Videos"]
    assert "gate-questions: refused &lt;b&gt;" in page


def test_the_last_artifact_alone_leads_back_to_all_others(world: World) -> None:
    facts = gather(SETTINGS, [world.roots["evaluation"]], world.record)
    found = {artifact.label: artifact.path for artifact in facts.ancestry.artifacts}
    wanted = {name: path for name, path in world.roots.items() if name != "decision"}
    assert {name: found[name] for name in wanted} == wanted
    assert facts.tallies.funnel == gather(SETTINGS, world.roots.values(), world.record).tallies.funnel


def test_a_run_that_finished_nothing_still_has_a_page(tmp_path: Path) -> None:
    page = write_page(gather(SETTINGS, [], None, "no videos"), tmp_path).read_text()
    assert "No dataset was finished." in page


def test_the_card_names_sources_and_digests(world: World, page: str) -> None:
    card = (world.run / "report" / "dataset_card.md").read_text()
    assert "| not stated | not stated | 24 |" in card
    assert "| questions | `" in card
    assert "| builtin-captioner@1 |" in card  # the gate asked nobody; the shards it merged did
    assert "questions kept by the filters: 72 of 96 (24 text_only: # of # probes were right)" in card
