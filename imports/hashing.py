"""SHA-256 of files that arrive in parts, without reading them twice."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from typing import Any

PIECE = 1024 * 1024


def sha256_of_file(path: Path) -> Any:
    """Hash a file in pieces; returns the hash object."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest


class RunningHashes:
    """Hashes of the newest uploads up to an offset, in this process only.

    Only a saving: whoever asks for one that is not here (another process took the part before, or
    it was pushed out) reads the file instead. Thread-safe; holds at most ``limit`` of them.
    """

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._hashes: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()

    def take(self, key: Hashable, offset: int) -> Any | None:
        """A copy of the hash of the first ``offset`` bytes, if it is known."""
        if offset == 0:
            return hashlib.sha256()
        with self._lock:
            at, digest = self._hashes.get(key, (-1, None))
            return digest.copy() if at == offset else None

    def put(self, key: Hashable, offset: int, digest: Any) -> None:
        """Remember the hash of the first ``offset`` bytes."""
        with self._lock:
            self._hashes[key] = (offset, digest)
            self._hashes.move_to_end(key)
            if len(self._hashes) > self._limit:
                self._hashes.popitem(last=False)

    def drop(self, key: Hashable) -> None:
        """Forget one; none there is fine."""
        with self._lock:
            self._hashes.pop(key, None)
