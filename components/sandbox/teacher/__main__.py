"""Run the built-in teacher: `python -m components.sandbox.teacher --port 0 --port-file teacher.port --log calls.jsonl`.

It binds loopback, prints its address, and ends on SIGTERM, SIGINT, or when the process named by --parent-pid is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from components.core.errors import RewatchError


def main() -> int:
    """Serve until told to end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m components.sandbox.teacher", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (loopback unless told otherwise)")
    parser.add_argument("--port", type=int, default=8765, help="port to bind; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="file to write the bound port to, once requests are answered")
    parser.add_argument("--log", type=Path, help="JSONL file to append one line per request to")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME=PROB[@ROLE]", help="misbehave; repeatable"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the faults")
    parser.add_argument("--workers", type=int, default=2, help="processes that look at frames")
    parser.add_argument("--parent-pid", type=int, help="end when this process is gone")
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve(arguments))
    except RewatchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"The teacher cannot serve on {arguments.host}:{arguments.port}: {error}", file=sys.stderr)
        return 2
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    from aiohttp import web

    from components.sandbox.teacher.faults import FaultInjector, read_fault
    from components.sandbox.teacher.server import RequestLog, TeacherServer

    faults = FaultInjector([read_fault(text) for text in arguments.fault], arguments.seed)
    server = TeacherServer(faults, RequestLog(arguments.log), arguments.workers)
    runner = web.AppRunner(
        server.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0, keepalive_timeout=300.0
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, arguments.host, arguments.port)
        await site.start()
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        port = runner.addresses[0][1]
        print(f"http://{arguments.host}:{port}/v1", flush=True)
        if arguments.port_file is not None:
            _write_whole(arguments.port_file, str(port))
        await _until_told(told, arguments.parent_pid)
    finally:
        await runner.cleanup()


async def _until_told(told: asyncio.Event, parent_pid: int | None) -> None:
    """Return when told, or soon after the parent is gone."""
    while not told.is_set() and (parent_pid is None or _is_alive(parent_pid)):
        try:
            await asyncio.wait_for(told.wait(), timeout=1.0)
        except TimeoutError:
            continue


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that was this process's parent is gone once another adopted us."""
    if pid == _STARTED_BY:
        return os.getppid() == pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_STARTED_BY = os.getppid()


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that who polls for it never reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
