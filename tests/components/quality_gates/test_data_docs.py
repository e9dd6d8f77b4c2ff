"""Data Docs as they are left on disk: readable without a network, and nobody learns that they are read."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from components.quality_gates.checks import Figure, RowFigures
from components.quality_gates.data_docs import on_one_page, standing_alone
from components.quality_gates.expectations import judge
from tests.pages import fetched, policy

HOSTILE = '![x](http://evil.example/x.png) <img src=x onerror=alert(1)><script src="//evil.example/a.js"></script>'


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a gate with a passed figure and a failed column, whose words come from a hostile model."""
    folder = tmp_path_factory.mktemp("docs") / "captions"
    figure = Figure(name="coverage", explains=HOSTILE, value=0.95, n=10, unit="videos", minimum=0.9)
    column = RowFigures(
        name="length_s",
        frame="events",
        explains="no event lasts long",
        values=[1.0, 2.0, 99.0],
        labels=[HOSTILE, "b", "c"],
        unit="events",
        maximum=60.0,
    )
    verdicts = judge("captions", [figure], [column], folder)
    assert [verdict.status for verdict in verdicts] == ["passed", "failed"]
    return folder


def test_no_page_fetches_or_runs_anything(docs: Path) -> None:
    pages = list(docs.rglob("*.html"))
    assert len(pages) >= 5
    for page in pages:
        assert fetched(page.read_text()) == [], page
        assert policy(page.read_text()).startswith("default-src 'none'")


def test_the_pages_still_say_what_was_checked_and_found(docs: Path) -> None:
    results = {page.stem: re.sub(r"<[^>]+>", " ", page.read_text()) for page in (docs / "validations").rglob("*.html")}
    assert set(results) == {"rewatch-overall", "rewatch-events"}
    overall = " ".join(results["rewatch-overall"].split())
    assert "coverage" in overall and "greater than or equal to 0.9" in overall and "0% unexpected" in overall
    events = " ".join(results["rewatch-events"].split())
    assert "less than or equal to 60.0" in events and "99.0" in events and "≈33.333% unexpected" in events
    assert "newsletter" not in events and "walkthrough" not in events


def test_the_index_leads_to_every_page(docs: Path) -> None:
    links = re.findall(r'href="([^"]+)"', (docs / "index.html").read_text())
    pages = {os.path.relpath(page, docs) for page in docs.rglob("*.html")} - {"index.html"}
    assert set(links) == pages


def test_links_between_pages_lead_somewhere(docs: Path) -> None:
    for page in docs.rglob("*.html"):
        for link in re.findall(r'href="([^"#]+)"', page.read_text()):
            assert "://" in link or (page.parent / link).resolve().is_file(), (page, link)


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="http://e.example/a.png">',
        "<script>alert(1)</script>",
        "<script src='http://e.example/a.js'></script>",
        '<link rel="stylesheet" href="//e.example/a.css">',
        '<p style="background: url(http://e.example/a.png)" onclick="x()">',
        "<style>@import 'http://e.example/a.css'; p { background: url(//e.example/b.png) }</style>",
        '<iframe src="http://e.example"><p>inside</p></iframe>',
        '<object data="http://e.example/a.swf"></object>',
        '<svg><image href="http://e.example/a.png"/></svg>',
        '<video poster="http://e.example/a.png"><source src="http://e.example/a.mp4"></video>',
        '<meta http-equiv="refresh" content="0; url=http://e.example">',
        '<base href="http://e.example/">',
        '<form action="http://e.example"><input type="image" src="http://e.example/a.png"></form>',
    ],
)
def test_every_way_to_fetch_is_taken_out_and_the_text_around_it_kept(markup: str) -> None:
    page = f"<html><head></head><body><p>before</p>{markup}<p>after</p></body></html>"
    assert fetched(page) != []
    left = standing_alone(page)
    assert fetched(left) == []
    assert "<p>before</p>" in left and "after</p>" in left


def test_a_link_that_a_person_clicks_stays_and_one_that_runs_goes() -> None:
    left = standing_alone('<a href="https://docs.example/">docs</a><a href=" javascript:alert(1)">no</a>')
    assert 'href="https://docs.example/"' in left and "javascript" not in left


def test_all_results_stand_on_the_one_page_that_kfp_shows(docs: Path, tmp_path: Path) -> None:
    page = on_one_page(docs)
    assert fetched(page) == [] and policy(page).startswith("default-src 'none'")
    assert page.count("<body") == page.count("</html>") == 1
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "coverage" in words and "length_s" in words
    assert on_one_page(tmp_path) == ""
