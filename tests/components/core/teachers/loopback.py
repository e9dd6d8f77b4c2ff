"""A loopback endpoint whose every answer a test decides: it speaks HTTP by hand, so that it can also speak it badly."""

from __future__ import annotations

import asyncio
import json
import threading
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
        hang_up: close the connection in place of an answer.
    """

    body: bytes = b""
    status: int = 200
    headers: Headers = field(default_factory=dict)
    after_s: float = 0.0
    hang_up: bool = False


def says(content: Any, *, finish_reason: str = "stop", after_s: float = 0.0) -> Answer:
    """A chat completion whose message holds `content`, as JSON unless it is text already."""
    text = content if isinstance(content, str) else json.dumps(content)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
    return Answer(json.dumps(body).encode(), after_s=after_s)


def refuses(status: int, **headers: str) -> Answer:
    """An HTTP error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(b'{"error": {"message": "no"}}', status=status, headers=named)


@dataclass
class Loopback:
    """A running server: its address, and the bodies of all requests so far."""

    url: str
    requests: list[dict[str, Any]]
    most_at_once: int = 0
    headers: list[Headers] = field(default_factory=list)


@contextmanager
def loopback(answer: Callable[[dict[str, Any], int], Answer]) -> Iterator[Loopback]:
    """Serve on a free port of 127.0.0.1 until the context ends.

    Args:
        answer: given a request's body and its number from 0, decides the answer.
    """
    served = Loopback("", [])
    ready = threading.Event()
    loop: list[asyncio.AbstractEventLoop] = []
    stop = asyncio.Event()
    busy = 0

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
                await asyncio.sleep(given.after_s)
                busy -= 1
                if given.hang_up:
                    break
                lines = {"content-type": "application/json", "content-length": str(len(given.body)), **given.headers}
                text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
                writer.write(f"HTTP/1.1 {given.status} X\r\n{text}\r\n".encode() + given.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def serve() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
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
