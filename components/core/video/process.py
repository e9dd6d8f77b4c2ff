"""One decoding process and the pipe to it, for callers that may block.

A file that crashes, hangs or starves the process costs that file a `VideoError`; the next request gets a fresh one.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from components.core.errors import VideoError
from components.core.video.plans import FramePlan
from components.core.video.probe import VideoInfo
from components.core.video.readers.pyav import Frame
from components.core.video.settings import VideoSettings
from components.core.video.worker import HEADER_BYTES

if TYPE_CHECKING:
    import numpy as np

_PIPE_BYTES = 1 << 20
_HEADER_LIMIT = 64 << 20
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")
"""Environment of the child. Keys and tokens of the task are none of its business."""


class _Gone(Exception):
    """The process ended or ran out of time before it had answered."""


class DecoderProcess:
    """Reads and probes videos in a child process, one request at a time; started by the first."""

    def __init__(self, settings: VideoSettings | None = None) -> None:
        self.settings = settings or VideoSettings()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def read(self, path: Path, plan: FramePlan) -> list[Frame]:
        """See `FrameReader.read`.

        Raises:
            VideoError: also when the child crashes on the file or passes a limit.
        """
        header, data = self._request({"do": "read", "path": str(path), "plan": plan.model_dump()}, path)
        pixels = _arrays(header["shapes"], data)
        return [
            Frame(time_s=time_s, pixels=pixels[place], asked_s=asked_s)
            for time_s, asked_s, place in zip(header["times"], header["asked"], header["places"], strict=True)
        ]

    def probe(self, path: Path) -> VideoInfo:
        """See `probe.probe`; raises as `read` does."""
        header, _ = self._request({"do": "probe", "path": str(path)}, path)
        return VideoInfo.model_validate(header["info"])

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
                try:
                    self._process.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    self.kill()
            self._forget()

    def kill(self) -> None:
        """End the process at once, from any thread; a request in flight raises `VideoError`."""
        if (process := self._process) is not None:
            process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, request: dict[str, Any], path: Path) -> tuple[dict[str, Any], bytearray]:
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            deadline = time.monotonic() + self.settings.limits.wall_s
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                header, data = _receive(process.stdout.fileno(), deadline)
            except (_Gone, BrokenPipeError) as error:
                raise self._obituary(process, path, timed_out=time.monotonic() >= deadline) from error
        if "error" in header:
            raise VideoError(*header["error"])
        return header, data

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._forget()
            root = str(Path(__file__).resolve().parents[3])
            environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
            # BLAS would reserve address space for threads that decoding never uses.
            environment |= {"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "components.core.video.worker", self.settings.model_dump_json()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                # Ctrl-C is the parent's to handle: the child ends with its pipe.
                start_new_session=True,
            )
            assert self._process.stdout is not None
            fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return self._process

    def _obituary(self, process: subprocess.Popen[bytes], path: Path, *, timed_out: bool) -> VideoError:
        """Why the process died, as the error of the video that it died on."""
        process.kill()
        code, limits = process.wait(), self.settings.limits
        self._forget()
        if timed_out:
            return VideoError(
                f"{path.name} did not decode within {limits.wall_s:g} s.",
                f"Encode it again, or --set video.limits.wall_s={2 * limits.wall_s:g}.",
            )
        if code == -signal.SIGXCPU:
            return VideoError(
                f"{path.name} used up its {limits.cpu_s:g} CPU seconds.",
                f"Encode it again, or --set video.limits.cpu_s={2 * limits.cpu_s:g}.",
            )
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return VideoError(f"The decoder crashed on {path.name} ({how}).", "Copy or encode the file again.")

    def _forget(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None and not pipe.closed:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue  # what was still to be sent went to a process that is gone
            self._process = None


def _receive(descriptor: int, deadline: float) -> tuple[dict[str, Any], bytearray]:
    size = int.from_bytes(_exactly(descriptor, HEADER_BYTES, deadline), "big")
    if size > _HEADER_LIMIT:
        raise _Gone
    header = json.loads(_exactly(descriptor, size, deadline))
    total = sum(height * width * depth for height, width, depth in header.get("shapes", ()))
    return header, _exactly(descriptor, total, deadline)


def _exactly(descriptor: int, size: int, deadline: float) -> bytearray:
    buffer = bytearray(size)
    view = memoryview(buffer)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while view:
        left_ms = (deadline - time.monotonic()) * 1000
        if left_ms <= 0 or not poll.poll(left_ms):
            raise _Gone
        count = os.readv(descriptor, [view])
        if count == 0:
            raise _Gone
        view = view[count:]
    return buffer


def _arrays(shapes: list[list[int]], data: bytearray) -> list[np.ndarray]:
    import numpy as np

    arrays, offset = [], 0
    for shape in shapes:
        size = shape[0] * shape[1] * shape[2]
        arrays.append(np.frombuffer(data, dtype=np.uint8, count=size, offset=offset).reshape(shape))
        offset += size
    return arrays
