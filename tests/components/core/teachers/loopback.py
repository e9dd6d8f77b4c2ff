"""A loopback endpoint whose every answer a test decides: it speaks HTTP by hand, so that it can also speak it badly."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Headers = dict[str, str]


@dataclass
class Answer:
    """One HTTP answer.

    Args:
        body: sent as it is.
        status: the HTTP status.
        headers: further headers.
        after_s: seconds to wait before answering.
        drip_s: seconds between one byte of the body and the next.
        hang_up: close the connection in place of an answer.
        then_hang_up: close it after the body.
    """

    body: bytes = b""
    status: int = 200
    headers: Headers = field(default_factory=dict)
    after_s: float = 0.0
    drip_s: float = 0.0
    hang_up: bool = False
    then_hang_up: bool = False


def says(content: Any, *, finish_reason: str | None = "stop", after_s: float = 0.0) -> Answer:
    """A chat completion whose message holds `content`, as JSON unless it is text already."""
    text = content if isinstance(content, str) else json.dumps(content)
    return replies({"content": text}, finish_reason=finish_reason, after_s=after_s)


def replies(
    message: dict[str, Any], *, finish_reason: str | None = "stop", usage: Any = None, after_s: float = 0.0
) -> Answer:
    """A chat completion with a message of any form."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    used = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} if usage is None else usage
    body = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": used}
    return Answer(json.dumps(body).encode(), after_s=after_s)


def refuses(status: int, message: str = "no", code: str = "", **headers: str) -> Answer:
    """An HTTP error in OpenAI's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(json.dumps({"error": {"message": message, "code": code}}).encode(), status=status, headers=named)


@dataclass
class Loopback:
    """A running server: its address, and the bodies of all requests so far."""

    url: str
    requests: list[dict[str, Any]]
    most_at_once: int = 0
    bytes_sent: int = 0
    slot_seconds: float = 0.0
    """How long slots were at work, all together."""

    headers: list[Headers] = field(default_factory=list)


@contextmanager
def loopback(
    answer: Callable[[dict[str, Any], int], Answer], *, slots: int = 10_000, port: int = 0
) -> Iterator[Loopback]:
    """Serve on 127.0.0.1 until the context ends.

    Args:
        answer: given a request's body and its number from 0, decides the answer.
        slots: requests that are worked on at once; the others queue.
        port: 0 for a free one.
    """
    served = Loopback("", [])
    ready = threading.Event()
    loop: list[asyncio.AbstractEventLoop] = []
    stop = asyncio.Event()
    busy = 0
    free = asyncio.Semaphore(slots)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal busy
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
                number = len(served.requests)
                served.requests.append(body)
                served.headers.append(headers)
                busy += 1
                served.most_at_once = max(served.most_at_once, busy)
                given = answer(body, number)
                async with free:
                    began = time.monotonic()
                    await asyncio.sleep(given.after_s)
                    served.slot_seconds += time.monotonic() - began
                busy -= 1
                if given.hang_up:
                    break
                lines = {"content-type": "application/json", **given.headers}
                if "transfer-encoding" not in lines:
                    lines["content-length"] = str(len(given.body))
                text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
                writer.write(f"HTTP/1.1 {given.status} X\r\n{text}\r\n".encode())
                piece = 1 if given.drip_s else 2**16
                for start in range(0, len(given.body), piece):
                    writer.write(given.body[start : start + piece])
                    await writer.drain()
                    served.bytes_sent += piece
                    await asyncio.sleep(given.drip_s)
                if given.then_hang_up:
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        finally:
            writer.close()

    async def serve() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
            served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            loop.append(asyncio.get_running_loop())
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield served
    finally:
        loop[0].call_soon_threadsafe(stop.set)
        thread.join(10)
