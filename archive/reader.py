"""Reading messages: counted, scanned in order, by pages, one by one; over all partitions."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from pymongo.client_session import ClientSession

from archive import connection, grouping, moments
from archive.choosing import Wanted, wanted_by
from archive.collections import KEYS, SESSIONS
from archive.connection import Document
from archive.errors import BadInput, NotFound
from archive.filters import MessageFilter, Query
from archive.hydration import hydrated
from archive.interruption import Interruption
from archive.moments import Moment
from archive.paging import Order, Page, after, encoded, find_page
from archive.partitions import Tier
from archive.scanning import EVERYTHING, Scan, Span

__all__ = [
    "Interruption",
    "MessageFilter",
    "Page",
    "Span",
    "average_bytes",
    "count_at",
    "count_before",
    "count_messages",
    "cursor_at",
    "find_at",
    "find_by_ids",
    "get_message",
    "get_messages",
    "has_messages",
    "message_at",
    "page_messages",
    "scan_messages",
]

ORDERS: dict[str, Order] = {
    "session": (("sessionId", 1), ("fileId", 1), ("seq", 1)),
    "file": (("fileId", 1), ("seq", 1)),
    "time": (("timestamp", 1), ("_id", 1)),
}


def count_messages(message_filter: MessageFilter, *, max_seconds: float | None = None) -> int:
    """How many messages the filter fits. All of them are counted by the sums of their sessions.

    Raises ``TooSlow`` where that takes more than ``max_seconds``.
    """
    with connection.translated(), connection.within(max_seconds):
        if message_filter == MessageFilter():
            sums = [{"$group": {"_id": None, "messages": {"$sum": "$messageCount"}}}]
            return sum(each["messages"] for each in connection.collection(SESSIONS).aggregate(sums))
        return sum(moments.at_one_moment(partial(count_at, each)) for each in wanted_by(message_filter))


def count_at(wanted: Wanted, moment: Moment) -> int:
    """How many messages are wanted, at this moment."""

    def count(session: ClientSession, name: str) -> int:
        query = wanted.key_query if name == KEYS else wanted.query
        return connection.collection(name).count_documents(query, session=session)

    cards = moment.cards(wanted.message_filter.since, wanted.message_filter.until)
    if not wanted.message_filter.reads_content or KEYS not in cards:
        return sum(moment.each(count, cards))
    hot = [name for name in cards if name != KEYS]
    return sum(moment.each(count, hot)) + sum(1 for _ in grouping.fitting(moment, wanted))


def has_messages(message_filter: MessageFilter) -> bool:
    """Whether the filter fits any message at all; stops at the first."""
    return any(
        next(Scan(wanted, ORDERS["session"], limit=1).run(), None) for wanted in wanted_by(message_filter)
    )


def average_bytes() -> int:
    """How many bytes a message takes as BSON, on average; known without reading any."""
    return moments.at_one_moment(_average_bytes)


def _average_bytes(moment: Moment) -> int:
    left = [each for each in moment.partitions if each.tier != Tier.HOT]
    sizes = [(each.count or 0, each.bytes or 0) for each in left]
    with connection.translated():
        for name in moment.hot():
            # Of a collection that is not made yet this command tells of nothing; the stage would fail.
            stats = connection.database().command("collStats", name)
            sizes.append((int(stats.get("count", 0)), int(stats.get("size", 0))))
    return sum(size for _, size in sizes) // max(1, sum(count for count, _ in sizes))


def scan_messages(
    message_filter: MessageFilter,
    *,
    order: str = "session",
    batch_size: int = 200,
    fields: Document | None = None,
    span: Span = EVERYTHING,
    interruption: Interruption | None = None,
) -> Iterator[Document]:
    """Every message the filter fits, by session and file, by file, or by time; of ``span`` alone.

    Memory is one batch of each partition. Goes on by key where messages move meanwhile, so each comes once.
    ``fields`` is a MongoDB projection, which must keep the keys of the order. A filter that chooses sessions
    is read in their order alone. Raises ``Unavailable``, also when ``interruption`` ends it.
    """
    if order != "session":
        _refuse_sessions(message_filter)
    keys = ORDERS[order]
    part = span.to_query(keys)
    for wanted in wanted_by(message_filter):
        some = wanted.but(part) if part else wanted
        yield from Scan(some, keys, batch_size, fields, interruption).run()


def _refuse_sessions(message_filter: MessageFilter) -> None:
    """Messages of chosen sessions come session by session: no other order could be kept."""
    if message_filter.chooses_sessions:
        raise ValueError("a filter that chooses sessions is read in the order of sessions alone")


def page_messages(
    message_filter: MessageFilter,
    *,
    session_id: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """A page of messages: of one session in the order of its files, else by time. Raises ``BadInput``."""
    _refuse_sessions(message_filter)
    part: Query = {} if session_id is None else {"sessionId": session_id}
    order = ORDERS["time"] if session_id is None else ORDERS["session"]

    def find(key: Sequence[Any] | None, direction: Order, most: int) -> list[Document]:
        behind = None if key is None else dict(zip((name for name, _ in direction), key, strict=True))
        scan = Scan(Wanted(message_filter, part), direction, most, limit=most, behind=behind)
        return list(scan.run())

    return find_page(find, order, cursor=cursor, limit=limit)


def cursor_at(message: Mapping[str, Any]) -> str:
    """The cursor of the page of its session that begins with this message, or where it would stand.

    ``message`` needs no more than ``sessionId``, ``fileId`` and ``seq``.
    """
    return encoded({**message, "seq": message["seq"] - 1}, ORDERS["session"])


def count_before(message: Mapping[str, Any]) -> int:
    """How many messages of its session stand before this one. Reads the index only."""
    key = [message[name] for name, _ in ORDERS["session"]]
    backwards = [(name, -way) for name, way in ORDERS["session"]]
    query = {"$and": [{"sessionId": message["sessionId"]}, after(key, backwards)]}
    return moments.at_one_moment(partial(count_at, Wanted(MessageFilter(), query)))


def message_at(session_id: str, number: int) -> Document | None:
    """The keys of a session's message by its number (from 0), None behind the last one."""
    return moments.at_one_moment(partial(_message_at, session_id, number))


def _message_at(session_id: str, number: int, moment: Moment) -> Document | None:
    wanted = Wanted(MessageFilter(), {"sessionId": session_id})
    fields = {"_id": 0, **{name: 1 for name, _ in ORDERS["session"]}}
    cards = moment.cards()
    if len(cards) == 1:
        found = connection.collection(cards[0]).find(wanted.query, fields, session=moment.session)
        return next(iter(found.sort(list(ORDERS["session"])).skip(number).limit(1)), None)
    scan = Scan(wanted, ORDERS["session"], 1000, fields)
    return next(islice(scan.at(moment, None, number + 1), number, None), None)


def get_message(message_id: str) -> Document:
    """One message by its id in hexadecimal. Raises ``BadInput``, ``NotFound``."""
    try:
        key = bytes.fromhex(message_id)
    except ValueError as error:
        raise BadInput(
            f"{message_id[:80]!r} is no message id.", hint="An id is 64 hexadecimal digits."
        ) from error
    found = find_by_ids([key])
    if not found:
        raise NotFound("There is no such message.", hint="It may have been in another archive.")
    return found[key]


def get_messages(message_ids: Sequence[str]) -> list[Document]:
    """These messages (ids in hexadecimal) in this order; those that are gone are left out."""
    keys = [bytes.fromhex(each) for each in message_ids]
    found = find_by_ids(keys)
    return [found[key] for key in keys if key in found]


def find_by_ids(keys: Sequence[bytes]) -> dict[bytes, Document]:
    """These messages, those of them that there are, all as they are at one moment. Memory is all of them."""
    return moments.at_one_moment(partial(find_at, keys))


def find_at(keys: Sequence[bytes], moment: Moment) -> dict[bytes, Document]:
    """These messages, those of them that there are at this moment. Memory is all of them."""
    found: dict[bytes, Document] = {}
    with connection.translated():
        for name in moment.cards():
            left = [key for key in keys if key not in found]
            if left:
                cursor = connection.collection(name).find({"_id": {"$in": left}}, session=moment.session)
                documents = hydrated(moment, list(cursor)) if name == KEYS else cursor
                found.update((bytes(each["_id"]), each) for each in documents)
    return found
