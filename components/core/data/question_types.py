"""The two ways in which questions are sorted: by what they are about, and by how one must search for the answer.

Both are told by whoever writes a question. The type spreads questions over what a video holds, as the paper does; the
kind tells which looks an answer takes, so that a score can say which of them a student has learned.
"""

from __future__ import annotations

from enum import StrEnum


class QuestionType(StrEnum):
    """The ten question types of ReWatch-QA (arXiv 2509.23652, stage 2)."""

    EVENT_LOCALISATION = "event_localisation"
    TEMPORAL_LOCALISATION = "temporal_localisation"
    COUNTING = "counting"
    CAUSAL = "causal"
    READING = "reading"
    SPATIAL_PERCEPTION = "spatial_perception"
    OBJECT_RECOGNITION = "object_recognition"
    STATE_CHANGE = "state_change"
    NUMERICAL_REASONING = "numerical_reasoning"
    COUNTERFACTUAL = "counterfactual"


class QuestionKind(StrEnum):
    """What a question asks for in time, which says how one must search for it; its type says what about.

    `order` is what comes in which order among three or more, or the later of two; `how_many` counts, `stop` asks when
    something ends that went on. Ours: the papers have types alone.
    """

    MOMENT = "moment"
    AFTER = "after"
    BEFORE = "before"
    WHEN = "when"
    FROM_TO = "from_to"
    HOW_LONG = "how_long"
    ORDER = "order"
    HOW_MANY = "how_many"
    STOP = "stop"
    OTHER = "other"
