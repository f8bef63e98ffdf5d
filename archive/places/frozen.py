"""Frozen: each batch one object outside the database, its documents one after the other, compressed by zstd.

They are read where they lie, object by object; the last ones read are remembered.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock

import bson
import zstandard
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession

from archive import object_store
from archive.connection import Document
from archive.errors import NotFound, Unavailable
from archive.journal import Documents, TierBatch
from archive.partitions import Tier, frozen_name
from archive.places.base import DECODED, RAW

LEVEL = 8
"""One more takes twice the memory, and saves two thousandths."""
REMEMBERED_BYTES = 8 * 1024 * 1024
LARGEST_OBJECT = 64 * 1024 * 1024
"""A batch has 16 MB of documents at most, or one document."""


class DamagedObject(Unavailable):
    """A stored object is not what was written."""

    code = "damaged_object"

    def __init__(self, name: str) -> None:
        super().__init__(f"The stored object {name} is damaged.", hint="Restore it from a copy.")


class _Shelf:
    """The objects that were read last, unpacked, so many bytes of them. Serves all threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: OrderedDict[str, bytes] = OrderedDict()

    def take(self, name: str) -> bytes | None:
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
            return self._held.get(name)

    def put(self, name: str, data: bytes) -> None:
        with self._lock:
            self._held[name] = data
            while len(self._held) > 1 and sum(map(len, self._held.values())) > REMEMBERED_BYTES:
                self._held.popitem(last=False)

    def drop(self, name: str) -> None:
        with self._lock:
            self._held.pop(name, None)


_shelf = _Shelf()


class Frozen:
    """The objects of months."""

    tier = Tier.FROZEN

    def partition(self, month: str) -> str:
        """That of the month."""
        return frozen_name(month)

    def object_name(self, month: str, mark: str) -> str:
        """``frozen/2026_01/17-2.bson.zst``."""
        return f"frozen/{month}/{mark.replace('#', '-')}.bson.zst"

    def prepare(self, month: str) -> None:
        """There is nothing to make."""

    def write(self, batch: TierBatch, mark: str, documents: Documents) -> int:
        """Write the object; the first 32 bytes are the SHA-256 of the rest."""
        body = zstandard.ZstdCompressor(level=LEVEL).compress(b"".join(each.raw for each in documents))
        name = self.object_name(batch.month, mark)
        stored = hashlib.sha256(body).digest() + body
        object_store.store().write(name, stored)
        return len(stored)

    def read(self, batch: TierBatch, ids: Sequence[bytes] | None = None) -> Iterator[RawBSONDocument]:
        """Out of the object itself, whatever is remembered of it. Raises ``NotFound``, ``DamagedObject``."""
        for each in _documents(_loaded(batch.object)):
            yield RawBSONDocument(each, RAW)

    def fetch(
        self, session: ClientSession, batches: Sequence[TierBatch], ids: Sequence[bytes]
    ) -> Iterator[Document]:
        """None of those whose object is gone: whoever asked looks where they are now."""
        wanted = {bytes(each) for each in ids}
        for batch in batches:
            try:
                data = _unpacked(batch.object)
            except NotFound:
                continue
            for each in _documents(data):
                if bytes(RawBSONDocument(each, RAW)["_id"]) in wanted:
                    yield bson.decode(each, DECODED)

    def remove(self, batch: TierBatch, ids: Iterable[bytes] | None = None) -> None:
        """Delete the object."""
        _shelf.drop(batch.object)
        object_store.store().delete(batch.object)


def _unpacked(name: str) -> bytes:
    data = _shelf.take(name)
    if data is None:
        data = _loaded(name)
        _shelf.put(name, data)
    return data


def _loaded(name: str) -> bytes:
    stored = object_store.store().read(name)
    told, body = stored[:32], stored[32:]
    if hashlib.sha256(body).digest() != told:
        raise DamagedObject(name)
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=LARGEST_OBJECT)


def _documents(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "little")
        yield data[start : start + length]
        start += length
