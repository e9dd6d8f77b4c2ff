"""The sha256 of every file listed, read again only when the file changed.

Hashes are kept in the state root by address, size and version (modification time, entity tag), so that listing an
unchanged corpus costs a directory listing. Identifiers, shards and splits all come from these hashes, never from names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from components.core.storage import StoredObject, storage_for

HASHES = "ingestion/hashes.json"
_THREADS = 4


def content_hashes(stored: Sequence[StoredObject], state_root: str, buckets: tuple[str, ...] = ()) -> list[str]:
    """The sha256 (hex) of each file's content, in order.

    Raises:
        InputError: a file vanished or cannot be read while it was hashed.
    """
    storage = storage_for(state_root)
    address = f"{state_root.rstrip('/')}/{HASHES}"
    known: dict[str, str] = json.loads(storage.read(address)) if storage.exists(address) else {}
    missing = [item for item in stored if _key(item) not in known]
    if missing:
        with ThreadPoolExecutor(_THREADS) as pool:
            fresh = pool.map(lambda item: _hash(item, buckets), missing)
            known |= dict(zip(map(_key, missing), fresh, strict=True))
        storage.write(address, json.dumps(known, indent=0, sort_keys=True).encode())
    return [known[_key(item)] for item in stored]


def _key(item: StoredObject) -> str:
    return f"{item.size_bytes} {item.version} {item.uri}"


def _hash(item: StoredObject, buckets: tuple[str, ...]) -> str:
    with storage_for(item.uri, buckets).local_path(item.uri) as path, path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
