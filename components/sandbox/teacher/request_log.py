"""What was asked of the teacher, one JSON line per request: the outside witness of what was bought twice."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TextIO


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
