"""Data Docs that stand alone: Great Expectations' pages without what they load from other people's servers.

As written they fetch a dozen scripts, styles, fonts and pictures, so that they are blank without a network and tell
strangers when they are read. The pages keep their text and tables, get a small style of ours, and a policy by which a
browser fetches nothing for them, whatever a dataset's text may smuggle in. Links that a person clicks stay.
"""

from __future__ import annotations

import os
import re
import shutil
from html import escape
from html.parser import HTMLParser
from pathlib import Path

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Content security policy: nothing is fetched, nothing runs."""

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { border: 1px solid #9995; padding: .3rem .7rem; text-align: left; vertical-align: top; }
.badge { font-weight: 600; }
.fa-check-circle::before { content: "✓"; color: #18794e; }
.fa-times::before { content: "✗"; color: #c0392b; }
.card.mb-3 { display: none; }
"""
"""The hidden card holds buttons that only a script could answer."""

_DROPPED = frozenset(
    {"script", "style", "iframe", "object", "embed", "frame", "base", "footer", "svg", "noscript", "title"}
)
_LOADING = frozenset({"link", "img", "source", "video", "audio", "track", "input", "image"})
_VOID = frozenset({"area", "br", "col", "hr", "wbr", "meta", "param", "base", "embed", "frame"}) | (
    _LOADING - {"video", "audio", "image"}
)
"""Elements without an end tag."""
_LOADED = frozenset({"src", "srcset", "poster", "background", "data", "ping", "formaction", "action", "style"})
_BODY = re.compile(r"<body[^>]*>(.*)</body>", re.DOTALL | re.IGNORECASE)
_MODAL = re.compile(r"\bmodal\b|walkthrough")


def detach(docs: Path) -> None:
    """Rewrite every page of a Data Docs site, give it an index, and remove the files that only styled it."""
    shutil.rmtree(docs / "static", ignore_errors=True)
    index = docs / "index.html"
    pages = sorted(path for path in docs.rglob("*.html") if path != index)
    for page in pages:
        page.write_text(standing_alone(page.read_text(encoding="utf-8")), encoding="utf-8")
    index.write_text(_index(docs, pages), encoding="utf-8")


def on_one_page(docs: Path) -> str:
    """All results of a site, one after the other, for who shows a page but no site; empty where there are none."""
    results = sorted(path for path in docs.rglob("*.html") if "validations" in path.parts)
    bodies = [_BODY.search(path.read_text(encoding="utf-8")) for path in results]
    told = "\n<hr>\n".join(body[1] for body in bodies if body)
    opening = f'<!doctype html>\n<html lang="en">\n<head>\n{head("Data Docs")}</head>\n'
    return f"{opening}<body>\n{told}\n</body>\n</html>\n" if told else ""


def standing_alone(page: str) -> str:
    """A page without anything that a browser would fetch or run."""
    rewriter = _Rewriter()
    rewriter.feed(page)
    rewriter.close()
    return "".join(rewriter.kept)


def head(title: str) -> str:
    """What our pages begin with."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return f'<meta charset="utf-8">\n{policy}\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'


def _index(docs: Path, pages: list[Path]) -> str:
    """Links to the pages: results first, then what was expected."""
    items = []
    for page in sorted(pages, key=lambda path: "validations" not in path.parts):
        kind = "result" if "validations" in page.parts else "expectations"
        name = page.stem.removeprefix("rewatch-")
        address = escape(os.path.relpath(page, docs), quote=True)
        items.append(f'<li><a href="{address}">{escape(name)}</a>: {kind}</li>')
    body = f"<h1>Data Docs</h1>\n<ul>\n{os.linesep.join(items)}\n</ul>"
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head("Data Docs")}</head>\n<body>\n{body}\n</body>\n</html>\n'


class _Rewriter(HTMLParser):
    """Copies a page, leaving out what is fetched or run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.kept: list[str] = []
        self._skipping = ""
        self._depth = 0
        """Open elements of the name being skipped, the outermost included."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipping:
            self._depth += tag == self._skipping and tag not in _VOID
            return
        classes = next((value or "" for name, value in attrs if name == "class"), "")
        if tag in _DROPPED or _MODAL.search(classes):
            if tag not in _VOID:
                self._skipping, self._depth = tag, 1
            return
        if tag in _LOADING or tag == "meta":
            return
        kept = [(name, value) for name, value in attrs if name not in _LOADED and not name.startswith("on")]
        written = "".join(f' {name}="{escape(value or "", quote=True)}"' for name, value in kept if _harmless(value))
        self.kept.append(f"<{tag}{written}>")
        if tag == "head":
            self.kept.append(head("Data Docs"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID or not (tag in _DROPPED or self._skipping):
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._depth -= tag == self._skipping
            self._skipping = self._skipping if self._depth else ""
        elif tag not in _DROPPED and tag not in _LOADING:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.kept.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self.kept.append(f"<!{decl}>")


def _harmless(value: str | None) -> bool:
    """Whether an attribute's value is no address that runs something."""
    return not re.match(r"\s*(javascript|data|vbscript):", value or "", re.IGNORECASE)
