"""One clip as text: what the roles that never see a frame are given."""

from __future__ import annotations

from typing import Any

EVENTS = [
    ("00:00-00:02", "a red circle"),
    ("00:02-00:03", "a blue square"),
    ("00:03-00:05", "a yellow triangle"),
    ("00:05-00:07", "a white cross"),
    ("00:07-00:08", "a green circle"),
]
LINES = [f"[{time}] {text}" for time, text in EVENTS]
CAPTION: list[dict[str, Any]] = [
    {"event": index, "time": time, "text": text} for index, (time, text) in enumerate(EVENTS)
]
CROWD = [
    "[00:00-00:04] a red circle",
    "[00:04-00:09] a blue square; a red circle moves right",
    "[00:09-00:13] a blue square; a green circle; a red circle",
    "[00:13-00:18] a green circle; a red circle",
]
CROWD_CAPTION = [{"event": index, "time": line[1:12], "text": line[14:]} for index, line in enumerate(CROWD)]
FOOTAGE = [
    "[00:00-00:04] shot with dominant colours grey and green, dark, motion to the left, strong movement",
    "[00:04-00:09] shot with dominant colours blue, bright, motion in no clear direction, weak movement",
]
FOOTAGE_CAPTION = [{"event": index, "time": line[1:12], "text": line[14:]} for index, line in enumerate(FOOTAGE)]
TYPES = [
    "event_localisation",
    "temporal_localisation",
    "counting",
    "causal",
    "reading",
    "spatial_perception",
    "object_recognition",
    "state_change",
    "numerical_reasoning",
    "counterfactual",
]
