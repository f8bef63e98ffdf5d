"""How the archive is spread over shards: which key, how many chunks, how even, by which commands. Pure.

All messages of a conversation lie on one shard: reading it, importing it and undoing it ask that shard alone.
A message's ``_id`` is a hash that covers its session's id, so two equal ids would meet on one shard: the
``_id`` index of each shard keeps them unique over all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archive.partitions import Partition, Tier

Key = dict[str, Any]

SESSION_KEY: Key = {"sessionId": "hashed"}
WARM_KEY: Key = {"metadata.sessionId": "hashed"}
CHUNK_BYTES = 128 * 1024**2
MOST_CHUNKS_A_SHARD = 8191
LEAST_CHUNKS_A_SHARD = 2
STRING = 15
RANGE = 2**64
RISING = 0.7
"""From this rank correlation with the time of arrival on, a key sends all new documents to one shard."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What was found of a possible key: how many different values it has, the share of the documents that
    have its most frequent one, and its rank correlation (-1 to 1) with the time of arrival."""

    field: str
    values: int
    top_share: float
    rising: float

    def against(self, chunks: int) -> str:
        """What speaks against it where there are so many chunks, "" if nothing does."""
        if abs(self.rising) >= RISING:
            return "it rises with time: every new message would go to one shard"
        if self.values < chunks:
            return f"it has {self.values:,} values, fewer than the {chunks:,} chunks"
        if self.top_share > 1 / chunks:
            return f"one value has {self.top_share:.1%} of the messages, more than a chunk's part"
        return ""


@dataclass(frozen=True, slots=True)
class Spread:
    """One collection that is to be sharded."""

    name: str
    key: Key
    count: int
    bytes: int
    chunks: int
    why: str

    def to_dict(self) -> dict[str, Any]:
        """As a plan shows it."""
        return {
            "collection": self.name,
            "key": self.key,
            "messages": self.count,
            "bytes": self.bytes,
            "chunks": self.chunks,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Balance:
    """How sessions fall onto shards: bytes of each shard, and the largest part of one over the mean."""

    shards: tuple[int, ...] = ()
    sessions: int = 0
    largest_session: int = 0

    @property
    def skew(self) -> float:
        """The fullest shard over the mean of all; 1 is even."""
        total = sum(self.shards)
        return max(self.shards) * len(self.shards) / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """One command for a mongos: the database it goes to, and its document, the command's name first."""

    database: str
    document: dict[str, Any] = field(default_factory=dict)

    def mongosh(self) -> str:
        """The same for mongosh."""
        return f"db.getSiblingDB({json.dumps(self.database)}).runCommand({json.dumps(self.document)})"


WHY = {
    Tier.HOT: "a conversation on one shard; its _id index stays unique, as an id covers the session's id",
    Tier.WARM: "buckets lie by session; time alone would send all that moves to one shard",
    Tier.COLD: "as in hot: a conversation is read from one shard",
}
WHY_KEYS = "read by session, and looked up by _id with the session's id at hand"

UNSHARDED = {
    "partitions": "a few documents",
    "counters": "the write lock: one document",
    "events": "its positions are unique and rise: one shard would take all writes in any case",
    "checkpoints": "one document for each job",
    "tier_batches": "one document for some thousand messages",
    "sessions": "one document for each conversation, sorted and counted as a whole by the pages",
    "projects": "few documents",
    "source_files": "its paths are unique, which no hash of _id keeps; one document for each file",
    "message_copies": "unique by (fileId, seq), asked by file alone; only what stands in two files",
    "message_versions": "only what lost a conflict",
    "rejected_records": "only what could not be read",
    "import_files": "one document for each file of an import",
    "import_undo": "asked by import; it goes when the import can no longer be undone",
    "api_calls": "small documents, asked by id and summed up as a whole",
    "verifications": "one document for each nightly proof",
    "storage_daily": "one document a day",
    "query_stats": "one document a day for each shape of query",
    "index_usage": "one document for each look at each index",
    "index_advice": "few documents",
    "layout_migrations": "one document for each migration",
}
"""Collections that stay on the database's first shard, each with the reason."""


def key_of(partition: Partition) -> Key | None:
    """The shard key of a partition; None for what is no collection of MongoDB."""
    if partition.tier == Tier.FROZEN:
        return None
    return WARM_KEY if partition.tier == Tier.WARM else SESSION_KEY


def chunks_for(size: int, shards: int) -> int:
    """Into how many chunks a collection of so many bytes is split at first: a multiple of the shards.

    >>> chunks_for(0, 3), chunks_for(10 * CHUNK_BYTES, 3), chunks_for(10**18, 2)
    (6, 12, 16382)
    """
    each = max(LEAST_CHUNKS_A_SHARD, -(-size // (CHUNK_BYTES * shards)))
    return shards * min(each, MOST_CHUNKS_A_SHARD)


def hash_of(session_id: str) -> int:
    """The number by which MongoDB's hashed index knows a text (MD5 over seed, type and BSON value)."""
    value = session_id.encode() + b"\0"
    head = (0).to_bytes(4, "little") + STRING.to_bytes(4, "little") + len(value).to_bytes(4, "little")
    return int.from_bytes(
        hashlib.md5(head + value, usedforsecurity=False).digest()[:8], "little", signed=True
    )


def split_points(chunks: int) -> list[int]:
    """Where the range of hashes is cut, evenly: one point fewer than there are chunks.

    >>> split_points(4) == [-(2**62), 0, 2**62]
    True
    """
    return [-(-RANGE * number // chunks) - RANGE // 2 for number in range(1, chunks)]


def shard_of(session_hash: int, shards: int, chunks: int) -> int:
    """The shard of a hash while each has an equal run of chunks."""
    return (session_hash + RANGE // 2) * chunks // RANGE * shards // chunks


def balance_of(sizes: Iterable[tuple[str, int]], shards: int, chunks: int) -> Balance:
    """How these sessions (id and bytes) fall onto the shards. Memory is one number for each shard."""
    filled = [0] * shards
    count = largest = 0
    for session_id, size in sizes:
        filled[shard_of(hash_of(session_id), shards, chunks)] += size
        count += 1
        largest = max(largest, size)
    return Balance(tuple(filled), count, largest)


def rank_correlation(values: Sequence[Any]) -> float:
    """Spearman's correlation of values with their order: 1 rises always, 0 has no order, 1.0 for time.

    >>> rank_correlation([1, 2, 3, 4]), rank_correlation([4, 3, 2, 1]), rank_correlation(["x"])
    (1.0, -1.0, 0.0)
    """
    count = len(values)
    if count < 2 or len(set(values)) < 2:
        return 0.0
    ranks = {place: rank for rank, place in enumerate(sorted(range(count), key=lambda each: values[each]))}
    squares = sum((place - rank) ** 2 for place, rank in ranks.items())
    return 1 - 6 * squares / (count * (count**2 - 1))


def facts_of(name: str, values: Sequence[Any]) -> KeyFacts:
    """What a sample in the order of arrival tells of a key."""
    counted: dict[Any, int] = {}
    for value in values:
        counted[value] = counted.get(value, 0) + 1
    top = max(counted.values(), default=0) / max(1, len(values))
    return KeyFacts(name, len(counted), top, rank_correlation(values))


def spreads_of(
    partitions: Iterable[Partition], sizes: Mapping[str, tuple[int, int]], shards: int
) -> list[Spread]:
    """What is to be sharded: the partitions (``sizes`` has their documents and bytes by name)."""
    found = []
    for each in partitions:
        key = key_of(each)
        if key is not None:
            count, size = sizes.get(each.name, (0, 0))
            found.append(Spread(each.name, key, count, size, chunks_for(size, shards), WHY[each.tier]))
    return found


def commands_for(database: str, spread: Spread) -> list[Command]:
    """The commands that shard one collection. What is empty is split at once; what is not needs its index
    first, and is spread by the balancer. A time-series collection makes its index itself."""
    namespace = f"{database}.{spread.name}"
    shard: dict[str, Any] = {"shardCollection": namespace, "key": spread.key}
    if spread.key == WARM_KEY:
        return [Command("admin", shard)]
    if spread.count == 0:
        return [Command("admin", shard | {"numInitialChunks": spread.chunks})]
    index = {"key": spread.key, "name": "_".join(f"{name}_{kind}" for name, kind in spread.key.items())}
    return [Command(database, {"createIndexes": spread.name, "indexes": [index]}), Command("admin", shard)]
