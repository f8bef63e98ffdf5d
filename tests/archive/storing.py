"""Messages put straight into partitions of every tier, as the contracts of storage have them, without a mover."""

import hashlib
from datetime import UTC, datetime

import bson
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from archive import connection, journal, object_store, partitions, places
from archive.collections import HOT_SPEC
from archive.errors import NotFound
from archive.keys import key_row
from archive.records import identity

FILE = ObjectId("0" * 24)


def message(number: int, **more) -> dict:
    """A stored message; ``more`` are its further fields."""
    session = more.pop("sessionId", f"s{number % 3}")
    content = hashlib.sha256(str(number).encode()).digest()
    document = {
        "_id": identity(session, content),
        "sessionId": session,
        "type": "user",
        "fileId": FILE,
        "seq": Int64(number * 1024),
        "contentHash": content,
        "isSidechain": False,
        "record": {"n": number},
    }
    return document | more


def month(number: int, day: int = 1, **more) -> datetime:
    return datetime(2025, number, day, tzinfo=UTC, **more)


class Shelf:
    """An object store in memory."""

    def __init__(self):
        self.objects: dict[str, bytes] = {}

    def write(self, name, data):
        self.objects[name] = data

    def read(self, name):
        if name not in self.objects:
            raise NotFound(f"There is no object {name}.", code="object_missing")
        return self.objects[name]

    def delete(self, name):
        self.objects.pop(name, None)

    def exists(self, name):
        return name in self.objects

    def list(self, folder):
        yield from sorted(name for name in self.objects if name.startswith(f"{folder}/"))


class Storing:
    """Makes partitions and fills them."""

    def __init__(self):
        self.shelf = Shelf()
        object_store.configure(lambda: self.shelf)
        self.made: list[str] = []
        self._number = 0

    @property
    def db(self):
        return connection.database()

    def enter(self, name: str, documents: list[dict], **facts) -> None:
        """Tell the catalogue what a sealed partition holds."""
        times = [each["timestamp"] for each in documents if each.get("timestamp")]
        told = {
            "tier": partitions.tier_of(name),
            "state": "sealed",
            "count": Int64(len(documents)),
            "bytes": Int64(sum(len(bson.encode(each)) for each in documents)),
            "undated": len(documents) - len(times),
        }
        if times:
            told |= {"since": min(times), "until": max(times)}
        self.made.append(name)
        self.db.partitions.replace_one({"_id": name}, told | facts, upsert=True)

    def hot(self, name: str, documents: list[dict]) -> None:
        """A sealed month of hot messages, with everything it must have."""
        self.db.drop_collection(name)
        collection = self.db.create_collection(name, validator=HOT_SPEC.validator)
        for index in HOT_SPEC.indexes:
            collection.create_index(list(index.keys), name=index.name, unique=index.unique)
        if documents:
            collection.insert_many(documents)
        self.enter(name, documents)

    def lay(self, name: str, documents: list[dict]) -> int:
        """A warm, cold or frozen partition with these messages; the number of their batch."""
        tier = partitions.tier_of(name)
        if tier != partitions.Tier.FROZEN:
            self.db.drop_collection(name)
        places.place_of(tier).prepare(name[-7:])
        self.enter(name, documents)
        number = self.batch(name, documents)
        if documents:
            self.write(number, documents)
        return number

    cold = warm = frozen = lay

    def write(self, number: int, documents: list[dict], mark: str = "") -> None:
        """Have the place of a batch hold these documents under its mark."""
        batch = journal.find_batches([number])[number]
        raw = [RawBSONDocument(bson.encode(each)) for each in documents]
        place = places.place_of(partitions.tier_of(batch.partition))
        if batch.object:
            place.remove(batch)  # what is remembered of an object of that name, too
        place.write(batch, mark or batch.mark, raw)

    def batch(self, name: str, documents: list[dict]) -> int:
        """The journal's word on where these lie, and their keys."""
        self._number += 1
        sizes = [len(bson.encode(each)) for each in documents]
        times = [each["timestamp"] for each in documents if each.get("timestamp")]
        told = {
            "_id": Int64(self._number),
            "partition": name,
            "mark": f"{self._number}#1",
            "month": name[-7:],
            "count": Int64(len(documents)),
            "bytes": Int64(sum(sizes)),
            "undated": len(documents) - len(times),
            "since": min(times, default=None),
            "until": max(times, default=None),
            "object": f"frozen/{name[-7:]}/{self._number}-1.bson.zst" if name.startswith("frozen_") else "",
            "digest": journal.digest_of(RawBSONDocument(bson.encode(each)) for each in documents),
        }
        self.db.tier_batches.insert_one(told)
        if documents:
            rows = [key_row(each, size, self._number) for each, size in zip(documents, sizes, strict=True)]
            self.db.message_keys.insert_many(rows)
        return self._number

    def clean(self) -> None:
        """Remove the partitions that were made here."""
        for name in self.made:
            if name != "messages_current":
                self.db.drop_collection(name)
        for name in ("partitions", "message_keys", "tier_batches", "messages_current"):
            self.db[name].delete_many({})
