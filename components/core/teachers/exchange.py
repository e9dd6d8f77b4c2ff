"""One HTTP exchange with an endpoint, bounded in time and in bytes, and a name for every way it can end.

What can pass becomes `Passing` and is sent again; what cannot fails the record (`ReplyError`; `TooLarge` where a
smaller request may do) or stops the stage (`TeacherUnavailable`), always with what the server said. Plain aiohttp: it
can stop reading, and costs less CPU time than the openai package per call and 0.9 s less to import. Redirects are not
followed, for they would carry the key to wherever they point; compressed answers are not asked for, since a small one
can be huge.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from components.core.errors import ReplyError, TeacherUnavailable
from components.core.teachers.admission import Trouble
from components.core.teachers.replies import legible

if TYPE_CHECKING:
    from aiohttp import ClientResponse

CONNECT_TIMEOUT_S = 10.0
LARGEST_ANSWER = 8 * 2**20
"""Bytes. 128,000 tokens of reply and as many of thinking, every character escaped, take six million."""

GRACE_S = 1.0
"""How long what came with the end of a connection may take to be read."""

LARGEST_REFUSAL = 64 * 2**10
"""Bytes that are read of an answer that is an error."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
NO_QUOTA = re.compile(
    r"insufficient[_ ](quota|funds|balance|credit)|billing_(hard_limit|not_active)|out of credit", re.I
)
TOO_LARGE = re.compile(
    r"context[_ ](length|window|size)|max(imum)?[_ ](model|context|sequence|prompt|input)[_ ]?len"
    r"|too (long|large|much media|many (images|tokens|multi-?modal))|longer than the max|at most \d+ (image|multi)"
    r"|(image|multi-?modal)\S* (limit|exceed)|exceeds? (the )?(limit|max)|input length|tokens.{0,40} must be <=",
    re.I,
)
MODERATED = re.compile(r"content[_ ](filter|policy|management)|moderation|flagged|responsible ?ai", re.I)


class Passing(Exception):
    """Trouble that can pass: the same request may be answered another time."""

    def __init__(self, trouble: Trouble, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.trouble = trouble
        self.reason = reason
        self.retry_after_s = retry_after_s


class TooLarge(ReplyError):
    """The endpoint refuses the request for its size."""


class Oversized(Exception):
    """The answer is longer than any reply can be."""


class Exchange:
    """The connections to one endpoint."""

    def __init__(self, name: str, base_url: str, key: str, key_env: str = "") -> None:
        from aiohttp import ClientSession, DummyCookieJar, TCPConnector

        self._name = name
        self._key = key
        self._key_env = key_env
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._proxy = _proxy_for(base_url)
        self._session = ClientSession(
            connector=TCPConnector(limit=0),  # admission control limits calls in flight
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
        )

    async def post(self, body: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        """POST one chat completion and return the response's JSON object.

        Args:
            deadline_s: for the whole exchange, the last byte of the answer included.

        Raises:
            Passing, ReplyError, TeacherUnavailable: see the module.
            Oversized: the answer was cut off at `LARGEST_ANSWER`.
        """
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=deadline_s, sock_connect=min(CONNECT_TIMEOUT_S, deadline_s))
        data = json.dumps(body).encode()
        try:
            async with self._session.post(
                self._url, data=data, timeout=timeout, allow_redirects=False, proxy=self._proxy
            ) as response:
                if response.status != 200:
                    text, _ = await _read(response, LARGEST_REFUSAL)
                    raise self._refusal(response.status, response.headers, text.decode(errors="replace"), body)
                text, complete = await _read(response, LARGEST_ANSWER)
        except aiohttp.ConnectionTimeoutError as error:
            raise Passing("unreachable", f"no connection within {CONNECT_TIMEOUT_S:g} s") from error
        except TimeoutError as error:
            raise Passing("timed_out", f"no answer within {deadline_s:g} s") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL) as error:
            raise self._stop(f"cannot be used: {error}", "Correct base_url, or the certificates.") from error
        except aiohttp.ClientConnectorError as error:
            raise Passing("unreachable", f"connection failed ({error.strerror or error})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Passing("failed", f"connection lost ({legible(str(error) or type(error).__name__, 200)})") from error
        if not complete:
            raise Oversized(f"its answer is longer than {LARGEST_ANSWER // 2**20} MB")
        try:
            answer = json.loads(text, strict=False)
        except (ValueError, RecursionError) as error:
            begins = legible(text[:80].decode(errors="replace"), 80)
            raise Passing("failed", f"the answer is no JSON; it begins with {begins!r}") from error
        if not isinstance(answer, dict):
            raise Passing("failed", f"the answer is no JSON object but a {type(answer).__name__}")
        if "choices" not in answer and answer.get("error"):  # as some gateways report errors: with status 200
            code = answer["error"].get("code") if isinstance(answer["error"], dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 500
            raise self._refusal(status, response.headers, json.dumps(answer), body)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _refusal(self, status: int, headers: Any, text: str, body: dict[str, Any]) -> Exception:
        """The error that an HTTP status other than 200 means."""
        said = self._hide_key(what_was_said(text))
        reason = f"HTTP {status}" + (f", {said}" if said else "")
        if status == 402 or (status in (403, 429) and NO_QUOTA.search(text)):
            return self._stop(f"has no quota or funds left: {reason}", "Top up the account or raise its limit.")
        if status in (400, 403, 422) and MODERATED.search(text):
            return ReplyError(f"The endpoint '{self._name}' refused the content of a request: {reason}.")
        if status in (401, 403):
            return self._stop(
                f"refused the key: {reason}", f"Check the key in ${self._key_env or '(no api_key_env is set)'}."
            )
        if status == 404:
            model = legible(str(body["model"]), 200)
            remedy = "Check base_url and the role's model in the profile."
            return self._stop(f"does not know the model '{model}': {reason}", remedy)
        if 300 <= status < 400:
            target = self._hide_key(legible(str(headers.get("Location", "elsewhere")), 200))
            return self._stop(f"sends requests on to {target} (HTTP {status})", "Write that address into base_url.")
        retry_after_s = _retry_after(headers.get("Retry-After", ""))
        if status in (429, 529):
            return Passing("refused", reason, retry_after_s)
        if status == 503:
            return Passing("overloaded", reason, retry_after_s)
        if status in (408, 504):
            return Passing("timed_out", reason)
        if status >= 500 or status == 425:
            return Passing("failed", reason)
        if status == 413 or (status in (400, 422) and TOO_LARGE.search(text)):
            return TooLarge(f"The endpoint '{self._name}' refused a request for its size: {reason}.")
        return ReplyError(f"The endpoint '{self._name}' refused a request: {reason}.", "Look at its log.")

    def _stop(self, what: str, remedy: str) -> TeacherUnavailable:
        return TeacherUnavailable(f"The endpoint '{self._name}' at {self._url} {what}.", remedy)

    def _hide_key(self, text: str) -> str:
        return text.replace(self._key, "…") if len(self._key) > 4 else text


def what_was_said(text: str) -> str:
    """The message in the body of an error, whatever its form, cut to what a person reads.

    >>> what_was_said('{"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}')
    'Insufficient Balance'
    >>> what_was_said("<html><body><h1>413 Request Entity Too Large</h1></body></html>")
    '413 Request Entity Too Large'
    """
    try:
        found: Any = json.loads(text, strict=False)
        for name in ("error", "message", "detail"):
            if isinstance(found, dict) and found.get(name):
                found = found[name]
                found = found.get("message") or found if isinstance(found, dict) else found
        return legible(found if isinstance(found, str) else json.dumps(found), 300)
    except (ValueError, RecursionError):
        return legible(re.sub(r"<[^<>]*>", " ", text[:4096]), 300)


async def _read(response: ClientResponse, most: int) -> tuple[bytes, bool]:
    """At most about `most` bytes of a body, and whether that was all of it.

    Raises:
        ClientError: the connection ended before the body did. aiohttp (3.14) does not tell its reader so where the
            chunks before were malformed, and would wait for the rest until the deadline.
    """
    protocol = response.connection.protocol if response.connection else None  # None once the whole body is here
    ended = protocol.closed if protocol else None  # None, too, where it ended before anyone asked
    chunks: list[bytes] = []
    size = 0
    while not response.content.at_eof():
        reading = asyncio.ensure_future(response.content.readany())
        try:
            if protocol is None or ended is not None:
                awaited: set[asyncio.Future[Any]] = {reading} if ended is None else {reading, ended}
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await asyncio.wait({reading}, timeout=GRACE_S)
            if not reading.done():
                raise _ended_early()
            chunk = reading.result()
        finally:
            reading.cancel()
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            return b"".join(chunks), False
    return b"".join(chunks), True


def _ended_early() -> Exception:
    from aiohttp import ClientPayloadError

    return ClientPayloadError("it ended amid the answer")


def _retry_after(value: str) -> float:
    """Seconds named by a Retry-After header; dates and nonsense count as one second.

    >>> [_retry_after(value) for value in ("", "2.5", "-3", "soon", "nan", "inf")]
    [0.0, 2.5, 0.0, 1.0, 1.0, inf]
    """
    try:
        seconds = float(value) if value else 0.0
    except ValueError:
        return 1.0
    return 1.0 if math.isnan(seconds) else max(0.0, seconds)


def _proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for this address; none can reach this machine's loopback."""
    address = urlsplit(base_url)
    host = address.hostname or ""
    if host in LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(address.scheme)
