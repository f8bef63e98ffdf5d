"""Warm: one time-series collection, with the document packed as it is beside what queries ask for.

A time-series keeps columns: fields that are like each other take little. The document itself is packed into
one binary, since columns of text cost more than they save (docs/benchmarks.md). It has no unique index and
takes no transaction: so every copy carries the mark of its attempt, and only the journal says which count.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import bson
from bson.binary import Binary
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.errors import CollectionInvalid
from pymongo.write_concern import WriteConcern

from archive import connection
from archive.collections import SESSIONS, WARM_MESSAGES
from archive.connection import Document
from archive.journal import Documents, TierBatch, time_of
from archive.partitions import Tier
from archive.places.base import DECODED, RAW

LARGEST = 4 * 1024 * 1024
"""What is larger as BSON stays out of it: a time-series takes no document near MongoDB's 16 MB."""
META = ("sessionId", "projectId", "source", "gitBranch")
"""What messages share that follow each other: a change of it closes the bucket, so type and model, which go
to and fro, are not in it (they cost a tenth of the room, docs/decisions.md)."""
FLAT = (
    "type", "role", "model", "isSidechain", "fileId", "seq", "usage", "costUsd", "apiMessageId", "importId",
)  # fmt: skip
WARM_YEARS = range(1971, 2037)
"""The ids of buckets begin with their time in 32 bits: beyond these years they would not be in its order."""
SAMPLED_SESSIONS = 1000
SPARSE_MINUTES, DENSE_MINUTES = 60.0, 0.5
"""A bucket spans an hour, a day or a month: with so many minutes between two messages of a conversation, as a
rule, it is that of months, or that of hours."""
INDEXES = (
    [("metadata.b", 1), ("metadata.sessionId", 1)],
    [("metadata.sessionId", 1), ("timestamp", 1)],
)


class Warm:
    """The time-series collection."""

    tier = Tier.WARM
    flat_fields = frozenset({"_id", "timestamp", *META, *FLAT})
    """What can be asked of it without unpacking; of ``usage`` each field below it, too."""

    def partition(self, month: str) -> str:
        """There is one for all months."""
        return WARM_MESSAGES

    def object_name(self, month: str, mark: str) -> str:
        """There are no objects."""
        return ""

    def prepare(self, month: str) -> None:
        """Make the collection and its indexes."""
        database = connection.database()
        if WARM_MESSAGES not in database.list_collection_names(filter={"name": WARM_MESSAGES}):
            options = {"timeField": "timestamp", "metaField": "metadata", "granularity": _granularity()}
            try:
                database.create_collection(WARM_MESSAGES, timeseries=options)
            except CollectionInvalid:
                return self.prepare(month)
        for keys in INDEXES:
            database[WARM_MESSAGES].create_index(keys)
        return None

    def write(self, batch: TierBatch, mark: str, documents: Documents) -> int:
        """Insert them, packed. Whoever does not learn what came of it has to take another mark."""
        collection = connection.collection(WARM_MESSAGES).with_options(
            write_concern=WriteConcern("majority", j=True)
        )
        packed = sorted((_packed(each, mark) for each in documents), key=_bucket)
        collection.insert_many(packed, ordered=False)
        return 0

    def read(self, batch: TierBatch, ids: Sequence[bytes] | None = None) -> Iterator[RawBSONDocument]:
        """Unpacked again."""
        found = connection.collection(WARM_MESSAGES).find({"metadata.b": batch.mark}, {"payload": 1})
        with found.batch_size(200):
            for each in found:
                yield RawBSONDocument(bytes(each["payload"]), RAW)

    def fetch(
        self, session: ClientSession, batches: Sequence[TierBatch], ids: Sequence[bytes]
    ) -> Iterator[Document]:
        """By the marks and the index on them; the ids are compared in what that finds."""
        marks = [batch.mark for batch in batches]
        query = {"metadata.b": {"$in": marks}, "_id": {"$in": list(ids)}}
        found = connection.collection(WARM_MESSAGES).find(query, {"payload": 1, "_id": 0}, session=session)
        with found.batch_size(200):
            for each in found:
                yield bson.decode(each["payload"], DECODED)

    def remove(self, batch: TierBatch, ids: Iterable[bytes] | None = None) -> None:
        """Delete by the mark: MongoDB 6.0 deletes from a time-series by nothing else."""
        connection.collection(WARM_MESSAGES).delete_many({"metadata.b": batch.mark})


def _granularity() -> str:
    """Chosen from the time between the messages of the archive's conversations."""
    minutes = {"$dateDiff": {"startDate": "$startedAt", "endDate": "$endedAt", "unit": "minute"}}
    stages: list[Document] = [
        {"$match": {"startedAt": {"$type": "date"}, "endedAt": {"$type": "date"}}},
        {"$limit": SAMPLED_SESSIONS},
        {"$group": {"_id": None, "minutes": {"$sum": minutes}, "messages": {"$sum": "$messageCount"}}},
    ]
    for each in connection.collection(SESSIONS).aggregate(stages):
        between = each["minutes"] / max(1, each["messages"])
        return "hours" if between > SPARSE_MINUTES else "seconds" if between < DENSE_MINUTES else "minutes"
    return "minutes"


def _packed(document: RawBSONDocument, mark: str) -> Document:
    held = dict(document.items())  # of BSON that is read as it is asked, once for all of it
    meta = {name: held[name] for name in META if held.get(name) is not None}
    flat = {name: held[name] for name in FLAT if held.get(name) is not None}
    return {
        "_id": held["_id"],
        "timestamp": time_of(document),
        "metadata": {**meta, "b": mark},
        **flat,
        "payload": Binary(document.raw),
    }


def _bucket(packed: Mapping[str, Any]) -> tuple[Any, ...]:
    """What shares a bucket comes together, in the order of time."""
    meta = packed["metadata"]
    return *(str(meta.get(name, "")) for name in META), packed["timestamp"]
