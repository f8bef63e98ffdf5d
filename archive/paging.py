"""Pages by key: a cursor names the last item seen, so that a page stays right while the archive changes."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import bson
from bson.errors import BSONError
from pymongo.collection import Collection

from archive import connection
from archive.connection import Document
from archive.errors import BadInput

Order = Sequence[tuple[str, int]]
# A title of 200 characters and a session id of 1,000, each of four bytes, and then a third more.
MAX_CURSOR_CHARS = 8192
SCALARS = (str, int, bson.Int64, float, bytes, datetime, bson.ObjectId, bson.Decimal128, type(None))


@dataclass(frozen=True, slots=True)
class Page:
    """Some items in order, and the cursors of the pages after and before (None: there is none)."""

    items: list[Document]
    next: str | None = None
    previous: str | None = None


Find = Callable[[Sequence[Any] | None, Order, int], list[Document]]
"""Finds what stands behind a key (None: everything) in an order, at most so many."""


def find_in(source: Collection[Document], query: Document) -> Find:
    """Finds what ``query`` fits in one collection."""

    def find(key: Sequence[Any] | None, order: Order, most: int) -> list[Document]:
        wanted = query if key is None else {"$and": [query, after(key, order)]}
        with connection.translated():
            return list(source.find(wanted).sort(list(order)).limit(most))

    return find


def find_page(find: Find, order: Order, *, cursor: str | None, limit: int) -> Page:
    """One page of what ``find`` finds, by ``order``, whose last key must be unique and never missing.

    Raises ``BadInput`` for a cursor that is none. Reads ``limit`` + 1 documents by index.
    """
    backwards, key = _decoded(cursor, order) if cursor else (False, None)
    direction = [(name, -way if backwards else way) for name, way in order]
    found = find(key, direction, limit + 1)
    more, items = len(found) > limit, found[:limit]
    if backwards:
        items.reverse()
    if not items:
        return Page([])
    has_next, has_previous = (True, more) if backwards else (more, key is not None)
    return Page(
        items,
        encoded(items[-1], order) if has_next else None,
        encoded(items[0], order, backwards=True) if has_previous else None,
    )


def after(key: Sequence[Any], order: Order) -> Document:
    """The query for everything behind ``key`` in ``order``.

    Unlike a comparison by operator alone this knows that missing and null come before every value.
    """
    branches: list[Document] = []
    equal: Document = {}
    for (name, way), value in zip(order, key, strict=True):
        beyond = _beyond(name, way, value)
        if beyond is not None:
            branches.append({**equal, **beyond})
        equal = {**equal, name: value}
    return {"$or": branches}


def _beyond(name: str, way: int, value: Any) -> Document | None:
    if way > 0:
        return {name: {"$ne": None}} if value is None else {name: {"$gt": value}}
    if value is None:
        return None
    return {"$or": [{name: {"$lt": value}}, {name: None}]}


def encoded(item: Mapping[str, Any], order: Order, *, backwards: bool = False) -> str:
    """The cursor that names ``item``."""
    key = [item.get(name) for name, _ in order]
    return base64.urlsafe_b64encode(bson.encode({"b": backwards, "k": key})).decode().rstrip("=")


def _decoded(cursor: str, order: Order) -> tuple[bool, list[Any]]:
    refusal = BadInput(
        "The page cursor is not valid.", code="bad_cursor", hint="Start again from the first page."
    )
    if len(cursor) > MAX_CURSOR_CHARS:
        raise refusal
    try:
        given: Document = bson.decode(
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), bson.CodecOptions(tz_aware=True)
        )
        backwards, key = bool(given["b"]), given["k"]
    except (binascii.Error, BSONError, KeyError, ValueError, UnicodeError) as error:
        raise refusal from error
    if (
        not isinstance(key, list)
        or len(key) != len(order)
        or key[-1] is None
        or not all(type(each) in SCALARS for each in key)
    ):
        raise refusal
    return backwards, key
