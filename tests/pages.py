"""What a browser would fetch for a page, for every test of a page that we write."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_ATTRIBUTES = {
    "src": None,
    "srcset": None,
    "poster": None,
    "background": None,
    "data": {"object"},
    "href": {"link", "image", "use", "base", "script"},
    "xlink:href": {"image", "use", "script"},
    "action": {"form"},
    "formaction": None,
    "ping": None,
}
"""Attributes whose address is fetched, or sent to, and the elements for which it is (None: all)."""
_IN_STYLE = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"]?)([^'")\s;]+)""")


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.policy = ""
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.inside = tag
        for name, value in given.items():
            if name in _ATTRIBUTES and (_ATTRIBUTES[name] is None or tag in (_ATTRIBUTES[name] or ())):
                self.addresses.append(value)
            if name == "style":
                self.addresses += _IN_STYLE.findall(value)
            if name.startswith("on"):
                self.addresses.append(f"a script in {name}")
        if tag == "script":
            self.addresses.append("a script")
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.addresses.append(given.get("content", ""))
        if tag == "meta" and given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_data(self, data: str) -> None:
        if self.inside == "style":
            self.addresses += _IN_STYLE.findall(data)


def fetched(page: str) -> list[str]:
    """Addresses that a browser would fetch to show a page, and scripts; pictures inside the page are not fetched."""
    parser = _Loads()
    parser.feed(page)
    return [address for address in parser.addresses if not address.startswith("data:image/")]


def policy(page: str) -> str:
    """The content security policy that a page names."""
    parser = _Loads()
    parser.feed(page)
    return parser.policy
