"""Lots of hot messages that shall lie together elsewhere: of one place and one month each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.cursor import Cursor

from archive import connection
from archive.connection import Document
from archive.filters import Query
from archive.journal import Documents, time_of
from archive.months import Month
from archive.move_plans import PlannedMove
from archive.partitions import Tier, month_of
from archive.places.base import RAW
from archive.places.warm import LARGEST, WARM_YEARS

BATCH_DOCS, BATCH_BYTES = 1000, 16 * 1024 * 1024
DAY = timedelta(days=1)
Lot = tuple[Tier, str, Documents]
"""The tier, the month, and the documents."""


def lots_of(planned: PlannedMove, unfinished: AbstractSet[str]) -> Iterator[Lot]:
    """What shall leave a hot partition, in lots of one month and place: some days at a time, since messages
    of one time grow old together; within these session by session, since they are read together."""
    for query in _windows(planned, planned.hot_query(unfinished)):
        with _in_order(planned.source, query) as found:
            for some in _bundles(found):
                yield from _lots(some, planned.target)


def _windows(planned: PlannedMove, query: Query) -> Iterator[Query]:
    start = datetime(1, 1, 1, tzinfo=UTC)
    before = planned.before or datetime.max.replace(tzinfo=UTC)
    messages = connection.collection(planned.source)
    while start < before:
        later = {**query, "timestamp": {"$gte": start, "$lt": before}}
        first = messages.find_one(later, {"timestamp": 1}, sort=[("timestamp", 1)])
        if first is None:
            break
        start = _day_of(first)
        end = min(before, _end_of_window(messages, later, start))
        yield {**query, "timestamp": {"$gte": start, "$lt": end}}
        start = end
    undated: Query = {**query, "timestamp": None}
    yield undated | ({"importedAt": {"$lt": planned.before}} if planned.before else {})


def _end_of_window(messages: Collection[Document], later: Query, start: datetime) -> datetime:
    """So many whole days, one at least, as fill no more than a batch; at most the month, since a batch is of
    one."""
    month = Month.of(start).until or datetime.max.replace(tzinfo=UTC)
    too_many = messages.find(later, {"timestamp": 1}).sort("timestamp", 1).skip(BATCH_DOCS).limit(1)
    for each in too_many:
        day = max(_day_of(each), start + DAY) if month - start > DAY else month
        return min(month, day)
    return month


def _day_of(message: Document) -> datetime:
    moment: datetime = message["timestamp"]
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _in_order(name: str, query: Query) -> Cursor[RawBSONDocument]:
    """The server sorts them, on its disk where there are many."""
    order = [("sessionId", 1), ("fileId", 1), ("seq", 1)]
    found = connection.collection(name).with_options(RAW).find(query).sort(order)
    return found.allow_disk_use(True).batch_size(BATCH_DOCS)


def _bundles(documents: Iterable[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    """Of at most ``BATCH_DOCS`` and ``BATCH_BYTES``."""
    bundle: list[RawBSONDocument] = []
    size = 0
    for each in documents:
        if bundle and (len(bundle) >= BATCH_DOCS or size + len(each.raw) > BATCH_BYTES):
            yield bundle
            bundle, size = [], 0
        bundle.append(each)
        size += len(each.raw)
    if bundle:
        yield bundle


def _lots(bundle: Iterable[RawBSONDocument], target: Tier) -> Iterator[Lot]:
    """By place and month."""
    lots: dict[tuple[Tier, str], list[RawBSONDocument]] = defaultdict(list)
    for each in bundle:
        lots[_place_for(each, target)].append(each)
    for key, some in lots.items():
        yield *key, some


def _place_for(document: RawBSONDocument, target: Tier) -> tuple[Tier, str]:
    """Messages that are too large for a time-series, or have no time or one that it does not keep in order,
    lie in the cold partition of their month; the month of what has no time is that of its import."""
    moment = time_of(document)
    if target == Tier.WARM and (
        moment is None or moment.year not in WARM_YEARS or len(document.raw) > LARGEST
    ):
        target = Tier.COLD
    return target, month_of(moment or document.get("importedAt") or datetime.now(UTC))
