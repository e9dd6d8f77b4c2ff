"""One question over HTTP, asked once and not for long, as checks before a run ask it."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from components.core.errors import InputError

PATIENCE_S = 40.0
ENOUGH = 200
"""Characters of an answer that are repeated."""


class Answer(NamedTuple):
    """What came back over HTTP; `status` 0 stands for nothing, for the reason in `text`."""

    status: int
    text: str

    @property
    def short(self) -> str:
        """For a message."""
        return f"{self.status or 'nothing'}: {' '.join(self.text.split())[:ENOUGH]}"


def ask(
    address: str,
    headers: Mapping[str, str],
    data: bytes | None = None,
    *,
    patience_s: float = PATIENCE_S,
    trusted: ssl.SSLContext | None = None,
) -> Answer:
    """One GET, or POST where there is data.

    Raises:
        InputError: the address is none.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise InputError(f"{address!r} is no address.", "Write http://host:port/v1.")
    try:
        request = urllib.request.Request(address, data, dict(headers))
        with urllib.request.urlopen(request, timeout=patience_s, context=trusted) as reply:
            return Answer(reply.status, reply.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(errors="replace"))
    except OSError as error:
        return Answer(0, str(getattr(error, "reason", error)))
