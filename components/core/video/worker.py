"""The child process that opens videos nobody vouches for: `python -m components.core.video.worker SETTINGS`.

Requests are lines of JSON on standard input. A reply is the length of its header (four bytes), the header as JSON, then
the pixels of each distinct frame. Before the first request it gives up every right it does not need: no core dumps, no
file it could write, bounded memory, and CPU seconds counted anew for each request.
It ends when its parent closes the pipe.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from components.core.errors import VideoError
from components.core.processes import end_with_pipe
from components.core.video.plans import FramePlan
from components.core.video.probe import VideoInfo, probe
from components.core.video.readers.pyav import FrameReader, PyAVReader
from components.core.video.settings import VideoSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

HEADER_BYTES = 4


def main() -> None:
    """Serve requests until standard input ends."""
    settings = VideoSettings.model_validate_json(sys.argv[1])
    replies = os.fdopen(os.dup(1), "wb")
    # A library that prints would corrupt the stream of replies.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _give_up_rights(settings.limits.memory_mb)
    end_with_pipe(sys.stdin.fileno())  # at once, in the middle of a file too
    for line in sys.stdin:
        _allow_cpu(settings.limits.cpu_s)
        _write(replies, *_answer(json.loads(line), settings))


def reader_of(settings: VideoSettings) -> FrameReader:
    """The reader that the settings name."""
    if settings.reader == "decord":
        from components.core.video.readers.decord import DecordReader

        return DecordReader(settings.limits)
    return PyAVReader(settings.limits)


def _answer(request: dict[str, Any], settings: VideoSettings) -> tuple[dict[str, Any], Sequence[np.ndarray]]:
    try:
        path, reader = Path(request["path"]), reader_of(settings)
        if request["do"] == "probe":
            return {"info": _probe(path, reader, settings).model_dump()}, ()
        return _read(path, FramePlan.model_validate(request["plan"]), reader)
    except VideoError as error:
        return {"error": [error.what, error.remedy]}, ()
    except MemoryError:
        memory_mb = settings.limits.memory_mb
        what = f"{Path(request['path']).name} needs more than {memory_mb} MB of memory."
        return {"error": [what, f"Scale it down, or --set video.limits.memory_mb={2 * memory_mb}."]}, ()
    except Exception as error:  # noqa: BLE001 - whatever a hostile file provokes is that file's failure, not the run's
        what = f"{Path(request['path']).name} cannot be decoded: {type(error).__name__}: {error}."
        return {"error": [what, "Copy or encode the file again."]}, ()


def _probe(path: Path, reader: FrameReader, settings: VideoSettings) -> VideoInfo:
    """What the file is, by PyAV; another reader must show its first frame, or its later reads would all fail."""
    info = probe(path, settings.limits)
    if settings.reader != "pyav":
        reader.read(path, FramePlan(end_s=info.duration_s, max_frames=1))
    return info


def _read(path: Path, plan: FramePlan, reader: FrameReader) -> tuple[dict[str, Any], Sequence[np.ndarray]]:
    frames = reader.read(path, plan)
    distinct: list[np.ndarray] = []
    places = []
    for frame in frames:
        # The reader hands out one array for times that show the same frame; it crosses the pipe once.
        if not distinct or distinct[-1] is not frame.pixels:
            distinct.append(frame.pixels)
        places.append(len(distinct) - 1)
    header = {
        "times": [frame.time_s for frame in frames],
        "asked": [frame.asked_s for frame in frames],
        "shapes": [pixels.shape for pixels in distinct],
        "places": places,
    }
    return header, distinct


def _write(replies: IO[bytes], header: dict[str, Any], arrays: Sequence[np.ndarray]) -> None:
    encoded = json.dumps(header).encode()
    replies.write(len(encoded).to_bytes(HEADER_BYTES, "big"))
    replies.write(encoded)
    for array in arrays:
        replies.write(array.data)
    replies.flush()


def _give_up_rights(memory_mb: int) -> None:
    memory = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _allow_cpu(seconds: float) -> None:
    """Let this request use `seconds` of CPU; the kernel counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = used.ru_utime + used.ru_stime
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(spent + seconds), hard))


if __name__ == "__main__":
    main()
