"""What the messages of a filter have in common, over all partitions: their files, sessions and months."""

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from heapq import merge
from itertools import groupby, islice
from typing import Any

from pymongo.client_session import ClientSession

from archive import connection, moments
from archive.choosing import Wanted, wanted_by
from archive.collections import KEYS
from archive.connection import Document
from archive.filters import MessageFilter
from archive.hydration import AT_ONCE, hydrated
from archive.matching import content_of
from archive.moments import Moment, MomentLost, Patience


def fitting(moment: Moment, wanted: Wanted) -> Iterator[Document]:
    """Those that have left hot and fit, content and all, batch by batch as they lie. Reads every one that
    fits by its key."""
    fits = content_of(wanted.message_filter)
    rows = connection.collection(KEYS).find(wanted.key_query, {"batch": 1}, session=moment.session)
    with rows.sort("batch", 1).batch_size(AT_ONCE):
        while some := list(islice(rows, AT_ONCE)):
            yield from filter(fits, hydrated(moment, some))


def distinct_values(message_filter: MessageFilter, field: str) -> Iterator[Any]:
    """The values of a field of the keys (``keys.KEY_FIELDS``) that the messages have, each once, in order.
    Where the filter chooses sessions, each once for every ``choosing.SESSIONS_AT_ONCE`` of them.

    Memory does not grow with them, unless the filter ``reads_content``.
    """
    for wanted in wanted_by(message_filter):
        yield from _distinct(wanted, field)


def _distinct(wanted: Wanted, field: str) -> Iterator[Any]:
    last: Any = None
    patience = Patience()
    while True:
        some = wanted if last is None else wanted.but({field: {"$gt": last}})
        try:
            with moments.opened() as moment, ExitStack() as stack:
                streams = [
                    stack.enter_context(closing(_values(moment, name, some, field)))
                    for name in _cards(moment, some)
                ]
                for value, _ in groupby(merge(*streams)):
                    if last is None:
                        moment.check()
                    yield value
                    last = value
                    patience.renew()
                moment.check()
                return
        except MomentLost:
            patience.wait()


def _values(moment: Moment, name: str, wanted: Wanted, field: str) -> Generator[Any]:
    if name == KEYS and wanted.message_filter.reads_content:
        values: set[Any] = {each.get(field) for each in fitting(moment, wanted)}
        yield from sorted(values - {None})
        return
    query = wanted.key_query if name == KEYS else wanted.query
    stages: list[Document] = [
        {"$match": query},
        {"$group": {"_id": f"${field}"}},
        {"$match": {"_id": {"$ne": None}}},
        {"$sort": {"_id": 1}},
    ]
    found = connection.collection(name).aggregate(stages, allowDiskUse=True, session=moment.session)
    with connection.translated(), moments.lost_or_raised(), found:
        yield from (each["_id"] for each in found)


def count_by_month(message_filter: MessageFilter) -> Counter[datetime | None]:
    """How many messages each month has, by its first moment in UTC; None for those that have no time."""
    found: Counter[datetime | None] = Counter()
    for wanted in wanted_by(message_filter):
        found.update(moments.at_one_moment(partial(_months, wanted)))
    return found


def _months(wanted: Wanted, moment: Moment) -> Counter[datetime | None]:
    month = {"$dateTrunc": {"date": "$timestamp", "unit": "month"}}

    def count(session: ClientSession, name: str) -> Counter[datetime | None]:
        query = wanted.key_query if name == KEYS else wanted.query
        stages: list[Document] = [{"$match": query}, {"$group": {"_id": month, "messages": {"$sum": 1}}}]
        found = connection.collection(name).aggregate(stages, session=session)
        return Counter({each["_id"]: each["messages"] for each in found})

    cards = _cards(moment, wanted)
    packed = KEYS in cards and wanted.message_filter.reads_content
    counts = moment.each(count, [name for name in cards if not (packed and name == KEYS)])
    if packed:
        counts.append(Counter(_first_of_month(each.get("timestamp")) for each in fitting(moment, wanted)))
    return sum(counts, Counter())


def _first_of_month(moment: datetime | None) -> datetime | None:
    return None if moment is None else datetime(moment.year, moment.month, 1, tzinfo=UTC)


def _cards(moment: Moment, wanted: Wanted) -> list[str]:
    return moment.cards(wanted.message_filter.since, wanted.message_filter.until)
