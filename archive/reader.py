"""Reading messages: counted, scanned in order, by pages, one by one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pymongo.errors import CursorNotFound, OperationFailure

from archive import connection
from archive.collections import MESSAGES, SESSIONS
from archive.connection import Document
from archive.errors import BadInput, NotFound
from archive.filters import MessageFilter
from archive.paging import Order, Page, after, encoded, find_page

__all__ = [
    "MessageFilter",
    "Page",
    "count_before",
    "count_messages",
    "cursor_at",
    "get_message",
    "get_messages",
    "message_at",
    "page_messages",
    "scan_messages",
]

ORDERS: dict[str, Order] = {
    "session": (("sessionId", 1), ("fileId", 1), ("seq", 1)),
    "file": (("fileId", 1), ("seq", 1)),
    "time": (("timestamp", 1), ("_id", 1)),
}
# QueryPlanKilled, CappedPositionLost: what an open cursor dies of when its collection is renamed.
CURSOR_LOST = (175, 246)


def count_messages(message_filter: MessageFilter) -> int:
    """How many messages the filter fits. All of them are counted by the sums of their sessions."""
    query = message_filter.to_query()
    with connection.translated():
        if query:
            return connection.collection(MESSAGES).count_documents(query)
        sums = [{"$group": {"_id": None, "messages": {"$sum": "$messageCount"}}}]
        return sum(each["messages"] for each in connection.collection(SESSIONS).aggregate(sums))


def scan_messages(
    message_filter: MessageFilter,
    *,
    order: str = "session",
    batch_size: int = 200,
    fields: Document | None = None,
) -> Iterator[Document]:
    """Every message the filter fits, by session and file, by file, or by time.

    Memory is one batch. Goes on by key where the server loses the cursor, so each message comes once.
    ``fields`` is a MongoDB projection, which must keep the keys of the order.
    """
    query, keys = message_filter.to_query(), ORDERS[order]
    last: Document | None = None
    while True:
        wanted = query
        if last is not None:
            wanted = {"$and": [query, after([last.get(name) for name, _ in keys], keys)]}
        cursor = connection.collection(MESSAGES).find(wanted, fields)
        try:
            with connection.translated(), cursor.sort(list(keys)).batch_size(batch_size):
                for message in cursor:
                    yield message
                    last = message
            return
        except OperationFailure as error:
            if not (isinstance(error, CursorNotFound) or error.code in CURSOR_LOST):
                raise


def page_messages(
    message_filter: MessageFilter,
    *,
    session_id: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """A page of messages: of one session in the order of its files, else by time. Raises ``BadInput``."""
    query = message_filter.to_query()
    if session_id is not None:
        query = {"$and": [query, {"sessionId": session_id}]}
    order = ORDERS["time"] if session_id is None else ORDERS["session"]
    return find_page(connection.collection(MESSAGES), query, order, cursor=cursor, limit=limit)


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
    with connection.translated():
        return connection.collection(MESSAGES).count_documents(query)


def message_at(session_id: str, number: int) -> Document | None:
    """The keys of a session's message by its number (from 0), None behind the last one."""
    fields = {"_id": 0, **{name: 1 for name, _ in ORDERS["session"]}}
    with connection.translated():
        found = connection.collection(MESSAGES).find({"sessionId": session_id}, fields)
        return next(iter(found.sort(list(ORDERS["session"])).skip(number).limit(1)), None)


def get_message(message_id: str) -> Document:
    """One message by its id in hexadecimal. Raises ``BadInput``, ``NotFound``."""
    try:
        key = bytes.fromhex(message_id)
    except ValueError as error:
        raise BadInput(
            f"{message_id[:80]!r} is no message id.", hint="An id is 64 hexadecimal digits."
        ) from error
    with connection.translated():
        found = connection.collection(MESSAGES).find_one({"_id": key})
    if found is None:
        raise NotFound("There is no such message.", hint="It may have been in another archive.")
    return found


def get_messages(message_ids: Sequence[str]) -> list[Document]:
    """These messages (ids in hexadecimal) in this order; those that are gone are left out."""
    keys = [bytes.fromhex(each) for each in message_ids]
    with connection.translated():
        cursor = connection.collection(MESSAGES).find({"_id": {"$in": keys}})
        found = {bytes(each["_id"]): each for each in cursor}
    return [found[key] for key in keys if key in found]
