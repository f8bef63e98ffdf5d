"""Whether the two sides of a migration hold the same: counts, digests by month, and the product's own queries
asked of both."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bson.raw_bson import RawBSONDocument

from archive import connection, moments
from archive.choosing import Wanted
from archive.collections import SESSIONS
from archive.connection import Document
from archive.filters import MessageFilter
from archive.layout_sides import Side
from archive.moments import Moment
from archive.partitions import Partition, PartitionState, Tier, month_of
from archive.reader import ORDERS, count_at, find_at
from archive.scanning import Scan

MOST_NAMED = 20
SESSIONS_READ = 20
MESSAGES_READ = 200
UNDATED = "undated"
Bucket = tuple[str, int]
"""A month, and the first byte of the ids."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which the sides are not alike: ``check`` is counts, digests or queries; ``subject`` is the
    month, message or query."""

    check: str
    subject: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """As plain values."""
        return {"check": self.check, "subject": self.subject, "message": self.message}


@dataclass
class Sums:
    """What a side holds, by month and by the first byte of the id: memory is that, not the messages."""

    counts: Counter[Bucket] = field(default_factory=Counter)
    digests: defaultdict[Bucket, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, document: RawBSONDocument) -> None:
        """Count one message. The order does not matter."""
        bucket = bucket_of(document)
        self.counts[bucket] += 1
        self.digests[bucket] = (self.digests[bucket] + _hash(document)) % (1 << 256)

    def months(self) -> Counter[str]:
        """How many messages each month has."""
        found: Counter[str] = Counter()
        for (month, _), count in self.counts.items():
            found[month] += count
        return found


def bucket_of(document: RawBSONDocument) -> Bucket:
    """Where a message is counted."""
    moment = document.get("timestamp")
    return month_of(moment) if isinstance(moment, datetime) else UNDATED, document["_id"][0]


def _hash(document: RawBSONDocument) -> int:
    return int.from_bytes(hashlib.sha256(document.raw).digest())


def summed(side: Side, sums: Sums) -> Iterator[int]:
    """Add up a side; yields how many messages were read."""
    for some in side.messages():
        for each in some:
            sums.add(each)
        yield len(some)


def compare(live: Side, other: Side, mine: Sums, theirs: Sums) -> Iterator[Difference]:
    """What differs between two sides that were summed: by month, then message by message within the buckets
    that differ, up to ``MOST_NAMED``."""
    here, there = mine.months(), theirs.months()
    for month in sorted({*here, *there}):
        if here[month] != there[month]:
            message = f"{month}: {here[month]:,} messages here, {there[month]:,} in the new layout."
            yield Difference("counts", month, message)
    buckets = {*mine.digests, *theirs.digests}
    unlike = {each for each in buckets if mine.digests.get(each, 0) != theirs.digests.get(each, 0)}
    for month in sorted({month for month, _ in unlike}):
        yield Difference(
            "digests", month, f"{month}: the messages of the two layouts are not the same bytes."
        )
    yield from _named(live, other, unlike)


def _named(live: Side, other: Side, buckets: set[Bucket]) -> Iterator[Difference]:
    """The messages that differ, of some of these buckets at a time."""
    chosen = set(sorted(buckets)[:MOST_NAMED])
    if not chosen:
        return
    here, there = _hashes(live, chosen), _hashes(other, chosen)
    differing = sorted(key for key in {*here, *there} if here.get(key) != there.get(key))
    for key in differing[:MOST_NAMED]:
        if key not in there:
            message = f"Message {key.hex()} is missing in the new layout."
        elif key not in here:
            message = f"Message {key.hex()} is only in the new layout."
        else:
            message = f"Message {key.hex()} is not the same in the new layout."
        yield Difference("digests", key.hex(), message)


def _hashes(side: Side, buckets: set[Bucket]) -> dict[bytes, int]:
    return {
        bytes(each["_id"]): _hash(each)
        for some in side.messages()
        for each in some
        if bucket_of(each) in buckets
    }


# ------------------------------------------------------------------ the product's own queries


class Seen(Moment):
    """A moment with the catalogue as it will be, or would be, under the other layout."""

    def __init__(self, moment: Moment, leaving: set[str], entering: list[Document]) -> None:
        self.session, self.version, self.opened = moment.session, moment.version, moment.opened
        self.batches = {}
        staying = tuple(each for each in moment.partitions if each.name not in leaving)
        self.partitions = (*staying, *(_partition(row) for row in entering))


def _partition(row: Document) -> Partition:
    return Partition(
        row["_id"], Tier(row["tier"]), PartitionState(row["state"]), row.get("since"), row.get("until"),
        row["count"], row["bytes"], row["undated"],
    )  # fmt: skip


Query = Callable[[Moment], Any]


def asked(leaving: set[str], entering: list[Document]) -> Iterator[tuple[str, Difference | None]]:
    """Ask both layouts, each query at one moment for both: what was asked, and what differs. A query reads
    at most ``MESSAGES_READ`` messages."""
    for name, query in _queries():
        yield name, moments.at_one_moment(partial(_compare, leaving, entering, name, query))


def _compare(
    leaving: set[str], entering: list[Document], name: str, query: Query, moment: Moment
) -> Difference | None:
    with connection.translated():
        here, there = query(moment), query(Seen(moment, leaving, entering))
    if here == there:
        return None
    message = f"{name}: the live layout answers {_short(here)}, the new one {_short(there)}."
    return Difference("queries", name, message)


def _short(answer: Any) -> str:
    return f"{len(answer):,} messages" if isinstance(answer, (list, dict)) else f"{answer:,}"


def _queries() -> Iterator[tuple[str, Query]]:
    """What pages, exports and the API ask, with values that this archive has."""
    yield "count of all messages", _counting(MessageFilter())
    sessions = _sampled()
    for each in sessions:
        session_id = each["_id"]
        yield f"messages of session {session_id}", _reading("session", {"sessionId": session_id})
        if each.get("startedAt"):
            since = each["startedAt"]
            window = MessageFilter(since=since, until=since + timedelta(days=1))
            yield f"count from {since:%Y-%m-%d %H:%M}", _counting(window)
            yield f"page by time from {since:%Y-%m-%d %H:%M}", _reading("time", {}, window)
    for file_id in {each["fileIds"][0] for each in sessions if each.get("fileIds")}:
        yield f"lines of file {file_id}", _reading("file", {"fileId": file_id})
    for kind in ("user", "assistant"):
        yield f"count of {kind} messages", _counting(MessageFilter(), {"type": kind})
    for each in sessions:
        yield f"messages of session {each['_id']} by their ids", _by_ids(each["_id"])


def _sampled() -> list[Document]:
    fields = {"startedAt": 1, "fileIds": 1}
    with connection.translated():
        stages = [{"$sample": {"size": SESSIONS_READ}}, {"$project": fields}]
        return list(connection.collection(SESSIONS).aggregate(stages))


def _counting(message_filter: MessageFilter, part: Document | None = None) -> Query:
    return partial(count_at, Wanted(message_filter, part or {}))


def _reading(order: str, part: Document, message_filter: MessageFilter | None = None) -> Query:
    scan = Scan(Wanted(message_filter or MessageFilter(), part), ORDERS[order], limit=MESSAGES_READ)
    return lambda moment: list(scan.at(moment, None, MESSAGES_READ))


def _by_ids(session_id: str) -> Query:
    def query(moment: Moment) -> dict[bytes, Document]:
        scan = Scan(Wanted(MessageFilter(), {"sessionId": session_id}), ORDERS["session"], 50, limit=50)
        return find_at([bytes(each["_id"]) for each in scan.at(moment, None, 50)], moment)

    return query
