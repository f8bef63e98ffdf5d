"""Scans of many messages in order, over all partitions, each message once whatever moves meanwhile.

What a scan reads it reads at one moment, for a while; then, or when the server lets go of that, it goes on
behind the last message at another moment. At each moment a message is in one place, and its place in the
order never changes: so what was there before the scan began and is not deleted comes exactly once. A message
that comes in while it runs is in it or not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from pymongo import CursorType

from archive import connection, moments
from archive.choosing import Wanted
from archive.collections import KEYS
from archive.connection import Document
from archive.filters import Query
from archive.hydration import AT_ONCE, hydrated
from archive.interruption import Interruption
from archive.keys import are_of_keys
from archive.matching import content_of, projected
from archive.merging import Stream, merged, place_of, reach
from archive.moments import Moment, MomentLost, Patience
from archive.paging import Order, after
from archive.partitions import Tier

MOMENT_SECONDS = 60.0
"""How long a scan stays at one moment: the server keeps what was then for five minutes, at a price."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of what a scan goes through: sessions from ``first`` on and before ``before`` ("": to the end),
    behind the message of the key ``behind`` (session, file, seq), of the ``undated`` messages alone; of
    files, those behind a path."""

    first: str = ""
    before: str = ""
    behind: tuple[Any, ...] = ()
    undated: bool = False
    behind_path: str = ""

    def to_query(self, keys: Order) -> Query:
        """The query on messages, whose ``keys`` are those that ``behind`` has."""
        parts: list[Query] = [after(self.behind, keys)] if self.behind else []
        if self.first or self.before:
            parts.append({"sessionId": self._bounds(self.first)})
        if self.undated:
            parts.append({"timestamp": None})
        return {"$and": parts} if parts else {}

    def session_query(self) -> Query:
        """The query on the sessions that such messages can be of."""
        first = self.behind[0] if self.behind else self.first
        return {"_id": self._bounds(first)} if first or self.before else {}

    def _bounds(self, first: str) -> Query:
        return {"$gte": first} | ({"$lt": self.before} if self.before else {})


EVERYTHING = Span()


@dataclass(frozen=True, slots=True)
class Scan:
    """What is wanted, in an order that every partition has an index for. ``fields`` is a MongoDB projection
    of whole fields that keeps the keys of the order; ``limit`` is how many are taken at most (0: all), from
    ``behind`` the message with these keys on (None: from the beginning)."""

    wanted: Wanted
    keys: Order
    batch_size: int = AT_ONCE
    fields: Document | None = None
    interruption: Interruption | None = None
    limit: int = 0
    behind: Document | None = None

    def run(self) -> Iterator[Document]:
        """Every message, once. Memory is a batch of each partition, and what the server sends ahead. Raises
        ``Unavailable`` where messages are away for longer than ``moments.AWAY_SECONDS``, ``TooSlow`` where
        the next one is not found within a moment."""
        last = self.behind
        patience = Patience()
        left = self.limit
        while True:
            try:
                with moments.opened(self.interruption) as moment:
                    ends = moment.opened + MOMENT_SECONDS
                    for message in self.at(moment, last, left):
                        yield message
                        last, left = message, left - 1
                        if left == 0:
                            return
                        if patience.renew() > ends:
                            break
                    else:
                        return
            except MomentLost:
                patience.wait()

    def at(self, moment: Moment, last: Document | None = None, limit: int = 0) -> Iterator[Document]:
        """The messages behind ``last`` as they are at this moment; at most ``limit`` of them, if that is
        positive. Raises ``MomentLost``."""
        found = merged(list(self._streams(moment, last, limit)), self.keys, moment.check)
        return islice(found, limit) if limit > 0 else found

    def _streams(self, moment: Moment, last: Document | None, limit: int) -> Iterator[Stream]:
        """One of each hot partition and one of the keys, but for those that ``last`` is behind. For the first
        few messages, those that have to be opened anyway are one."""
        hot: list[tuple[Any, str]] = []
        for each in moment.of(Tier.HOT, *self._bounds):
            begins, ends = reach([each], self.keys)
            if not (last and ends is not None and ends < place_of(last, self.keys)[0]):
                hot.append((begins, each.name))
        if limit > 0:
            together = [name for begins, name in hot if begins is None]
            hot = [each for each in hot if each[0] is not None]
            if hot and together:
                nearest = min(hot, key=lambda each: each[0])
                hot.remove(nearest)
                together.append(nearest[1])
            if together:
                yield Stream(partial(self._united, moment, together, last, limit))
        for begins, name in hot:
            yield Stream(partial(self._find, moment, name, last, limit), begins)
        if left := moment.left_hot(*self._bounds):
            yield Stream(partial(self._keyed, moment, last, limit), reach(left, self.keys)[0])

    @property
    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        return self.wanted.message_filter.since, self.wanted.message_filter.until

    def _find(self, moment: Moment, name: str, last: Document | None, limit: int) -> Iterator[Document]:
        """The messages of one hot partition."""
        return self._cursor(moment, name, self._behind(self.wanted.query, last), limit, self.fields)

    def _united(
        self, moment: Moment, names: list[str], last: Document | None, limit: int
    ) -> Iterator[Document]:
        """The first few messages of several hot partitions, all asked for at once: a page costs one answer,
        and not one of each partition."""
        if len(names) == 1:
            yield from self._find(moment, names[0], last, limit)
            return
        query = self._behind(self.wanted.query, last)
        few: list[Document] = [{"$sort": dict(self.keys)}, {"$limit": limit}]
        of_one = [{"$match": query}, *few, *([{"$project": self.fields}] if self.fields else [])]
        others: list[Document] = [{"$unionWith": {"coll": name, "pipeline": of_one}} for name in names[1:]]
        stages = [*of_one, *others, *few]
        # One more than there can be: so the server knows that the first answer is the last one.
        options: Document = {"allowDiskUse": True, "batchSize": limit + 1}
        found = connection.collection(names[0]).aggregate(stages, session=moment.session, **options)
        with connection.translated(), moments.lost_or_raised(), found:
            yield from found

    def _keyed(self, moment: Moment, last: Document | None, limit: int) -> Iterator[Document]:
        """The messages that have left hot, some at a time."""
        query = self._behind(self.wanted.key_query, last)
        reads_content = self.wanted.message_filter.reads_content
        if are_of_keys(self.fields) and not reads_content:
            yield from self._cursor(moment, KEYS, query, limit, self.fields)
            return
        fits = content_of(self.wanted.message_filter)
        fields = {"_id": 1, "batch": 1, **dict.fromkeys((name for name, _ in self.keys), 1)}
        rows = self._cursor(moment, KEYS, query, 0 if reads_content else limit, fields)
        size = min(AT_ONCE, limit) if limit > 0 else AT_ONCE
        while some := list(islice(rows, size)):
            for message in hydrated(moment, some):
                if not reads_content or fits(message):
                    yield projected(message, self.fields) if self.fields else message

    def _behind(self, query: Query, last: Document | None) -> Query:
        if last is None:
            return query
        behind = after([last.get(name) for name, _ in self.keys], self.keys)
        return {"$and": [query, behind]} if query else behind

    def _cursor(
        self, moment: Moment, name: str, query: Query, limit: int, fields: Document | None
    ) -> Iterator[Document]:
        # The server sends ahead without being asked for each batch: its work and ours go on side by side.
        is_plain = limit > 0 or connection.client().is_mongos
        kind = CursorType.NON_TAILABLE if is_plain else CursorType.EXHAUST
        cursor = connection.collection(name).find(query, fields, cursor_type=kind, session=moment.session)
        cursor = cursor.sort(list(self.keys)).batch_size(self.batch_size)
        if limit > 0:
            cursor = cursor.limit(limit)
        with connection.translated(), moments.lost_or_raised(), cursor:
            yield from cursor
