"""The words of a page, as a person would read them, and the golden copy of the fixed tiny run's.

python -m tests.components.reporting.golden     rewrites the golden copy; read the difference before you commit it
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from components.reporting.facts import gather
from components.reporting.page import render_page
from tests.components.reporting.worlds import SETTINGS, World, build_run

GOLDEN = Path(__file__).parent / "golden_page.txt"
BLOCKS = re.compile(r"</(?:p|h1|h2|h3|tr|div|li|text|title|summary)>")


def words_of(page: str) -> str:
    """All text of a page on one line, without markup and style."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def readable(page: str) -> str:
    """The text of a page, a line per block, digests replaced."""
    lines = [words_of(block) for block in BLOCKS.sub("\n", _without_style(page)).split("\n")]
    return re.sub(r"\b[0-9a-f]{12}\b", "<digest>", "\n".join(line for line in lines if line)) + "\n"


def golden_text(world: World) -> str:
    """What the golden copy holds: the page with two timelines."""
    settings = SETTINGS.model_copy(update={"timelines": 2})
    return readable(render_page(gather(settings, world.roots.values(), world.record)))


def _without_style(page: str) -> str:
    return re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def main() -> None:
    """Write the golden copy."""
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text(golden_text(build_run(Path(folder))))


if __name__ == "__main__":
    main()
