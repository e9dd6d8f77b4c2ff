"""How checks before a run ask: at once, each once, and not for long, whoever does not answer."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from threading import Thread
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from components.core.errors import InputError

Result = TypeVar("Result")

PATIENCE_S = 40.0
ENOUGH = 200
"""Characters of an answer that are repeated."""


def side_by_side(calls: Sequence[Callable[[], Result]], within_s: float) -> list[Result | None]:
    """What each call returns; None for one that has not come back after `within_s` seconds.

    A client's own time-outs do not do: each counts for a part of a call, and boto3 tries six times for two minutes
    each. Whoever still waits then is left alone, in a thread that does not keep the process from ending.

    Raises:
        Exception: whatever the first call raised that raised anything.
    """

    def make(call: Callable[[], Result], made: Future[Result]) -> None:
        try:
            made.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again where results are read
            made.set_exception(error)

    results: list[Future[Result]] = [Future() for _ in calls]
    for pair in zip(calls, results, strict=True):
        Thread(target=make, args=pair, daemon=True).start()
    back, _ = wait(results, within_s)
    return [result.result() if result in back else None for result in results]


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
