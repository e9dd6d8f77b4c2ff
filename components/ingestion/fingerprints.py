"""What tells files apart, and what follows: the sha256 of every file listed, its shard and its split.

A file is read again only when it changed: hashes are kept in the state root by address, size and version (modification
time, entity tag), so that listing an unchanged corpus costs a directory listing. Identifiers, shards and splits all
come from these hashes, never from names.

A shard's id carries a digest of its members, `s00003-<12 hex digits>`, so that KFP's cache sees a shard change exactly
when one of its videos does. Split and shard read different digits of the hash: each shard holds both splits.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from components.core.data.rows import Split, digest_of
from components.core.errors import MissingObject
from components.core.stores.files import StoredObject, is_s3, storage_for
from components.core.stores.watermark import content_key, keep_contents, known_contents

_THREADS = 4
_DIGITS = 8
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """What a file is known by: the sha256 (hex) of its content; of its address where that cannot be read.

    A file that cannot be read today is thus one record of its own, and a new video once it can be.
    """

    digest: str
    problem: str = ""


def fingerprints(stored: Sequence[StoredObject], state_root: str, buckets: tuple[str, ...] = ()) -> list[Fingerprint]:
    """The fingerprint of each file, in order.

    Raises:
        InputError: the bucket cannot be asked, or may not be.
    """
    known = known_contents(state_root)
    by_key = {content_key(item): item for item in stored}
    found = {key: Fingerprint(known[key]) for key in by_key if key in known}
    missing = {key: item for key, item in by_key.items() if key not in known}
    if missing:
        with ThreadPoolExecutor(_THREADS) as pool:
            taken_now = pool.map(lambda item: _take(item, buckets), missing.values())
            fresh = dict(zip(missing, taken_now, strict=True))
        found |= fresh
        known |= {key: taken.digest for key, taken in fresh.items() if not taken.problem}
        keep_contents(state_root, known)
    return [found[content_key(item)] for item in stored]


def _take(item: StoredObject, buckets: tuple[str, ...]) -> Fingerprint:
    problem = item.problem
    try:
        if not problem:
            return Fingerprint(_hash(item, buckets))
    except MissingObject as error:
        problem = error.what
    except OSError as error:
        if is_s3(item.uri):
            raise  # the connection, not the object
        problem = f"It cannot be read ({error.strerror})."
    return Fingerprint(hashlib.sha256(f"unreadable {item.uri}".encode()).hexdigest(), problem)


def _hash(item: StoredObject, buckets: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    with storage_for(item.uri, buckets).open(item.uri) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


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
