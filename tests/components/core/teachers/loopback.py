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
    """A server on 127.0.0.1: its address, what it was asked, and how it fared.

    Args:
        answer: given a request's body and its number from 0, decides the answer.
        slots: requests that are worked on at once; the others queue.
    """

    answer: Callable[[dict[str, Any], int], Answer]
    slots: int = 10_000
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    unheard: int = 0
    """Answers that nobody was there to take."""

    bytes_sent: int = 0
    _worked_s: float = 0.0
    _working_since: dict[int, float] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def slot_seconds(self) -> float:
        """How long slots were at work so far, all together."""
        now = time.monotonic()
        return self._worked_s + sum(now - since for since in [*self._working_since.values()])

    def answer_with(self, answer: Answer | None) -> None:
        """From now on answer everything with this; with None, refuse connections and drop those there are."""
        asyncio.run_coroutine_threadsafe(self._answer_with(answer), self._loop).result(10)

    async def serve(self, ready: threading.Event) -> None:
        """Serve until `stop`."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._free = asyncio.Semaphore(self.slots)
        await self._listen(0)
        self.url = f"http://127.0.0.1:{self._port}/v1"
        ready.set()
        await self._stop.wait()
        await self._hang_up()

    def stop(self) -> None:
        """Let `serve` end."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _answer_with(self, answer: Answer | None) -> None:
        await self._hang_up()
        if answer is not None:
            self.answer = lambda body, number: answer
            await self._listen(self._port)

    async def _listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection lasts."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
        number = len(self.requests)
        self.requests.append(body)
        self.headers.append(headers)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            given = self.answer(body, number)
            async with self._free:
                self._working_since[number] = time.monotonic()
                try:
                    await asyncio.sleep(given.after_s)
                finally:
                    self._worked_s += time.monotonic() - self._working_since.pop(number)
        finally:
            self.at_once -= 1
        if reader.at_eof():
            self.unheard += 1
        if given.hang_up:
            return False
        lines = {"content-type": "application/json", **given.headers}
        if "transfer-encoding" not in lines:
            lines["content-length"] = str(len(given.body))
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {given.status} X\r\n{text}\r\n".encode())
        piece = 1 if given.drip_s else 2**16
        for start in range(0, len(given.body), piece):
            writer.write(given.body[start : start + piece])
            await writer.drain()
            self.bytes_sent += piece
            await asyncio.sleep(given.drip_s)
        return not given.then_hang_up


@contextmanager
def loopback(answer: Callable[[dict[str, Any], int], Answer], *, slots: int = 10_000) -> Iterator[Loopback]:
    """Serve on a free port of 127.0.0.1, in a thread of its own, until the context ends."""
    served, ready = Loopback(answer, slots), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(served.serve(ready)), daemon=True)
    thread.start()
    ready.wait(60)
    try:
        yield served
    finally:
        served.stop()
        thread.join(10)
