"""A filter as the queries that find its messages; and the sessions it chooses, some hundred at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

from archive import connection
from archive.collections import SESSIONS
from archive.connection import Document
from archive.filters import MessageFilter, Query

SESSIONS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Messages that the filter fits and that ``part``, a query on what their keys have, fits, too."""

    message_filter: MessageFilter
    part: Query

    @property
    def query(self) -> Query:
        """The query on whole messages."""
        return self._both(self.message_filter.to_query())

    @property
    def key_query(self) -> Query:
        """The query on keys: all of it, unless the filter ``reads_content``."""
        return self._both(self.message_filter.key_query())

    def but(self, part: Query) -> "Wanted":
        """Those that this query on keys fits as well."""
        return Wanted(self.message_filter, {"$and": [self.part, part]} if self.part else part)

    def _both(self, query: Query) -> Query:
        if query.keys() & self.part.keys():
            return {"$and": [query, self.part]}
        return query | self.part


def wanted_by(message_filter: MessageFilter) -> Iterator[Wanted]:
    """What the filter fits, as ``message_queries`` divides it."""
    if not message_filter.chooses_sessions:
        yield Wanted(message_filter, {})
        return
    for chunk in session_chunks(message_filter.session_query(), {"_id": 1}):
        yield Wanted(message_filter, {"sessionId": {"$in": [each["_id"] for each in chunk]}})


def message_queries(message_filter: MessageFilter) -> Iterator[Query]:
    """The queries on messages that together fit what the filter fits, each message once.

    One, as a rule. Where the filter asks for something that only sessions know, those are looked up as this
    is read: then it is one query for every ``SESSIONS_AT_ONCE`` of them, in the order of their ids. Memory is
    one such chunk, and nothing is left open in the database in between.
    """
    for wanted in wanted_by(message_filter):
        yield wanted.query


def session_chunks(query: Query, fields: Document | None = None) -> Iterator[list[Document]]:
    """The sessions that the query fits, by their ids, in lists of at most ``SESSIONS_AT_ONCE``.

    Each list is a query of its own that goes on behind the last id: whoever takes an hour over one list
    loses no cursor.
    """
    behind: Query = {}
    while True:
        with connection.translated():
            cursor = connection.collection(SESSIONS).find({"$and": [query, behind]}, fields)
            chunk = list(cursor.sort("_id", 1).limit(SESSIONS_AT_ONCE))
        if chunk:
            yield chunk
        if len(chunk) < SESSIONS_AT_ONCE:
            return
        behind = {"_id": {"$gt": chunk[-1]["_id"]}}
