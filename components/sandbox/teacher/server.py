"""The teacher's HTTP server: `/v1/chat/completions`, `/v1/models`, `/health`, and `/faults` to make it misbehave.

aiohttp, because its parser is compiled: a text call costs the server well under a millisecond of CPU. Text replies
are computed inline; frames are looked at in worker processes, so that two shards proceed side by side. Its log, one
JSON line per request, is the outside witness of what was bought twice.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from components.core.data.identity import identity_of
from components.core.errors import SettingsError
from components.core.processes import end_with_parent
from components.sandbox.teacher.faults import FaultInjector, mangle, read_fault
from components.sandbox.teacher.protocol import BadRequest, ChatRequest, read_request, write_completion, write_error
from components.sandbox.teacher.rules import ROLES, TEXT, VISION, look

_LARGEST_BODY = 256 * 1024 * 1024
_HANG_S = 24 * 3600.0
_JSON = {"Content-Type": "application/json"}


class TeacherServer:
    """Answers requests one by one; holds the workers, the faults and the log."""

    def __init__(self, faults: FaultInjector, log: RequestLog, workers: int = 2) -> None:
        self.faults = faults
        self.log = log
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/v1/chat/completions", self.complete)
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_get("/health", self.tell_health)
        app.router.add_get("/faults", self.tell_faults)
        app.router.add_post("/faults", self.set_faults)
        app.cleanup_ctx.append(self._hold_workers)
        return app

    async def complete(self, http: web.Request) -> web.Response:
        """Answer one chat request."""
        body = await http.read()
        started = time.process_time()
        try:
            request = read_request(body)
            fault = self.faults.transport_fault(request)
            if fault in ("http_429", "http_500", "hang"):
                return await self._refuse(request, fault, started)
            reply, busy_s = await self._reply(request, started)
        except BadRequest as refusal:
            self.log.write(schema="", model="", digest="", status=refusal.status, cpu_s=0.0, fault=refusal.code)
            return _error(refusal.status, str(refusal), "invalid_request_error", refusal.code)
        content, finish_reason = mangle(fault, json.dumps(self.faults.spoil(request, reply)))
        response = write_completion(request, content, int(time.time()), finish_reason)
        self._note(request, 200, busy_s, fault)
        return web.Response(body=response, headers=_JSON)

    async def _reply(self, request: ChatRequest, started: float) -> tuple[dict[str, Any], float]:
        """The reply's content, and the CPU seconds of this request here and in a worker since `started`."""
        try:
            if request.schema in TEXT:
                payload = dict(request.payload)
                if request.schema == "questions" and self.faults.is_told("answer_in_summary"):
                    payload["contrast"] = False  # a writer who heeded the summary would hide that it leaks
                reply = TEXT[request.schema](payload, request.model)
                return reply, time.process_time() - started
            if request.schema in VISION:
                reading_s = time.process_time() - started
                reply, looking_s = await self._look(request)
                return reply, reading_s + looking_s
        except (KeyError, TypeError, ValueError) as error:
            message = f"The payload does not fit the schema {request.schema!r}: {error!r}"
            raise BadRequest(400, message, "invalid_payload") from error
        known = ", ".join([*TEXT, *VISION])
        raise BadRequest(400, f"No reply of the schema {request.schema!r} is known, only {known}.", "unknown_schema")

    async def _look(self, request: ChatRequest) -> tuple[dict[str, Any], float]:
        loop = asyncio.get_running_loop()
        pool = self._pool or self._start_workers()
        try:
            return await loop.run_in_executor(pool, look, request.schema, dict(request.payload), request.frames)
        except BrokenProcessPool as error:
            if self._pool is pool:
                self._pool = None
            message = "A worker of the built-in teacher died while looking at frames; ask again."
            raise BadRequest(500, message, "worker_died") from error

    async def _refuse(self, request: ChatRequest, fault: str, started: float) -> web.Response:
        status = {"http_429": 429, "http_500": 500, "hang": 0}[fault]
        self._note(request, status, time.process_time() - started, fault)
        if fault == "hang":
            await asyncio.sleep(_HANG_S)
        if fault == "http_429":
            response = _error(
                429, "Too many requests (a fault that was asked for).", "rate_limit_error", "rate_limited"
            )
            response.headers["Retry-After"] = "0.2"
            return response
        return _error(500, "Internal error (a fault that was asked for).", "server_error", "internal_error")

    def _note(self, request: ChatRequest, status: int, cpu_s: float, fault: str) -> None:
        self.log.write(
            schema=request.schema, model=request.model, digest=request.digest, status=status, cpu_s=cpu_s, fault=fault
        )

    async def list_models(self, http: web.Request) -> web.Response:
        """The built-in models: one per role, each of the revision that this code makes it."""
        known = {"object": "model", "created": 0, "owned_by": "rewatch"}
        known |= {} if self.faults.faults else {"revision": identity_of(look.__module__).digest[:12]}
        models = [{"id": f"builtin-{role}", **known} for role in ROLES]
        return web.json_response({"object": "list", "data": models})

    async def tell_health(self, http: web.Request) -> web.Response:
        """Ready to answer."""
        return web.json_response({"status": "ok"})

    async def tell_faults(self, http: web.Request) -> web.Response:
        """The faults in force."""
        faults = [f"{fault.name}={fault.probability}@{fault.role}".rstrip("@") for fault in self.faults.faults]
        return web.json_response({"faults": faults, "seed": self.faults.seed})

    async def set_faults(self, http: web.Request) -> web.Response:
        """Replace the faults: `{"faults": ["http_429=0.3@captioner"], "seed": 0}`."""
        try:
            said = await http.json()
            self.faults = FaultInjector(map(read_fault, said["faults"]), int(said.get("seed", 0)))
        except (SettingsError, ValueError, KeyError, TypeError, AttributeError) as error:
            return _error(400, str(error), "invalid_request_error", "invalid_faults")
        return await self.tell_faults(http)

    def _start_workers(self) -> ProcessPoolExecutor:
        # spawn: a fork of a process with threads and an event loop may deadlock
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self._workers, mp_context=context, initializer=end_with_parent)
        return self._pool

    async def _hold_workers(self, app: web.Application) -> AsyncIterator[None]:
        yield
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self.log.close()


def _error(status: int, message: str, kind: str, code: str) -> web.Response:
    return web.Response(status=status, body=write_error(message, kind, code), headers=_JSON)


class RequestLog:
    """Appends `{time, role, schema, model, digest, status, fault, cpu_s}`; each line reaches the system at once."""

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, *, schema: str, model: str, digest: str, status: int, cpu_s: float, fault: str = "") -> None:
        """Note one request; status 0 stands for a request that was never answered."""
        if self._file is None:
            return
        entry = {
            "time": round(time.time(), 3),
            "role": model.removeprefix("builtin-"),
            "schema": schema,
            "model": model,
            "digest": digest,
            "status": status,
            "fault": fault,
            "cpu_s": round(cpu_s, 6),
        }
        self._file.write(json.dumps(entry) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
