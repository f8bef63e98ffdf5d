"""Cold: a normal collection for each month, the documents as they are, compressed harder.

zstd in pages of 128 KB takes 0.58 of what snappy takes (docs/benchmarks.md). The only index is that of
``_id``: what else is looked for is found by the keys.
"""

from collections.abc import Iterable, Iterator, Sequence

from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, CollectionInvalid

from archive import connection
from archive.collections import KEYS
from archive.connection import Document
from archive.journal import Documents, TierBatch, digest_of
from archive.partitions import Tier, cold_name
from archive.places.base import RAW, CopyDiffers
from archive.unit_of_work import UnitOfWork, is_duplicate_key

STORAGE = {"wiredTiger": {"configString": "block_compressor=zstd,leaf_page_max=128KB"}}
AT_ONCE = 500
AGAIN = "Run it again: it begins with what is left."


class Cold:
    """The collections of months."""

    tier = Tier.COLD

    def partition(self, month: str) -> str:
        """That of the month."""
        return cold_name(month)

    def object_name(self, month: str, mark: str) -> str:
        """There are no objects."""
        return ""

    def prepare(self, month: str) -> None:
        """Make the month's collection."""
        name = cold_name(month)
        database = connection.database()
        if name not in database.list_collection_names(filter={"name": name}):
            try:
                database.create_collection(name, storageEngine=STORAGE)
            except CollectionInvalid:
                return  # another process made it between our look and our call

    def write(self, batch: TierBatch, mark: str, documents: Documents) -> int:
        """Insert them; those that an earlier attempt left are written over."""
        collection = connection.collection(batch.partition)
        try:
            collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if not is_duplicate_key(error):
                raise
            collection.bulk_write([ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents])
        return 0

    def read(self, batch: TierBatch, ids: Sequence[bytes] | None = None) -> Iterator[RawBSONDocument]:
        """By their ids."""
        every = list(_ids_of(batch) if ids is None else ids)
        collection = connection.collection(batch.partition).with_options(RAW)
        for start in range(0, len(every), AT_ONCE):
            with collection.find({"_id": {"$in": every[start : start + AT_ONCE]}}).batch_size(100) as found:
                yield from found

    def fetch(
        self, session: ClientSession, batches: Sequence[TierBatch], ids: Sequence[bytes]
    ) -> Iterator[Document]:
        """By their ids, month by month."""
        for name in sorted({batch.partition for batch in batches}):
            query = {"_id": {"$in": list(ids)}}
            with connection.collection(name).find(query, session=session).batch_size(100) as found:
                yield from found

    def remove(self, batch: TierBatch, ids: Iterable[bytes] | None = None) -> None:
        """Delete them by their ids."""
        every = list(_ids_of(batch) if ids is None else ids)
        connection.collection(batch.partition).delete_many({"_id": {"$in": every}})


def replace(unit: UnitOfWork, name: str, documents: Documents) -> None:
    """Have exactly these documents in a cold partition within a transaction, whatever a copying that was
    stopped has left of them. Raises ``CopyDiffers`` where they are not what was written."""
    ids = [each["_id"] for each in documents]
    delete(unit, name, ids)
    unit[name].insert_many(documents, session=unit.session)
    found = unit[name].with_options(RAW).find({"_id": {"$in": ids}}, session=unit.session)
    if digest_of(found) != digest_of(documents):
        raise CopyDiffers(f"What was read back from {name} is not what was written there.", hint=AGAIN)


def delete(unit: UnitOfWork, name: str, ids: Sequence[bytes]) -> None:
    """Have none of these documents in a cold partition within a transaction."""
    unit[name].delete_many({"_id": {"$in": ids}}, session=unit.session)


def _ids_of(batch: TierBatch) -> Iterator[bytes]:
    found = connection.collection(KEYS).find({"batch": Int64(batch.number)}, {"_id": 1})
    return (each["_id"] for each in found)
