"""Which shard and which split a video belongs to: functions of its content hash alone.

A shard's id carries a digest of its members, `s00003-<12 hex digits>`, so that KFP's cache sees a shard change exactly
when one of its videos does. Split and shard read different digits of the hash: each shard holds both splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from components.core.data.rows import Split, digest_of

_DIGITS = 8


def shard_of(video_id: str, shard_count: int) -> str:
    """The shard's id without the digest of its members: `s00000`, `s00001`, …"""
    return f"s{int(video_id[:_DIGITS], 16) % shard_count:05d}"


def split_of(video_id: str, eval_share: float) -> Split:
    """`eval` for the given share of all hashes, `train` for the rest."""
    place = int(video_id[_DIGITS : 2 * _DIGITS], 16) / 16**_DIGITS
    return "eval" if place < eval_share else "train"


def shard_ids(video_ids: Iterable[str], shard_count: int) -> list[str]:
    """The ids of all shards that have members, sorted."""
    members: dict[str, set[str]] = defaultdict(set)
    for video_id in video_ids:
        members[shard_of(video_id, shard_count)].add(video_id)
    return [f"{shard}-{digest_of(sorted(ids))[:12]}" for shard, ids in sorted(members.items())]
