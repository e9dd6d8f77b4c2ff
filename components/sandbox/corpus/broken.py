"""Files that a corpus in the wild contains and that must end in quarantine, each with its own reason."""

from __future__ import annotations

from pathlib import Path


def write_broken(folder: Path, whole: Path) -> list[dict[str, str]]:
    """Write the broken files into `folder`, cut from the readable video `whole`; say which and why."""
    content = whole.read_bytes()
    (folder / "broken-empty.mp4").write_bytes(b"")
    # The index comes first in these files: cutting the tail leaves a file that opens and plays for a while.
    (folder / "broken-truncated.mp4").write_bytes(content[: len(content) * 6 // 10])
    (folder / "broken-no-index.mp4").write_bytes(content[: content.index(b"moov") + 40])
    (folder / "broken-not-a-video.mp4").write_text("These are minutes of a meeting that somebody named like a video.\n")
    _write_audio_only(folder / "broken-audio-only.mp4")
    (folder / "copy.mp4").write_bytes(content)
    return [
        {"file": "broken-empty.mp4", "fault": "empty"},
        {"file": "broken-truncated.mp4", "fault": "truncated"},
        {"file": "broken-no-index.mp4", "fault": "no index"},
        {"file": "broken-not-a-video.mp4", "fault": "not a video"},
        {"file": "broken-audio-only.mp4", "fault": "audio only"},
        {"file": "copy.mp4", "fault": "duplicate"},
    ]


def _write_audio_only(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        tone = (0.2 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
