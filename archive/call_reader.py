"""Reading API responses: counted, and scanned in an order that does not change."""

from collections.abc import Iterator
from dataclasses import fields

from bson.decimal128 import Decimal128

from archive import connection
from archive.choosing import message_queries
from archive.collections import CALLS
from archive.connection import Document
from archive.filters import MessageFilter

CALLS_AT_ONCE = 1000
KNOWN_PARTS = frozenset(
    ("project_ids", "session_ids", "models", "since", "until", "subagents", "tags", "min_cost", "max_cost")
)
"""The parts of a filter that a response can be asked for: its conversation, model, time, and main or side."""


def unknown_parts(message_filter: MessageFilter) -> list[str]:
    """The parts of the filter that mean something for messages alone."""
    plain = MessageFilter()
    asked = (each.name for each in fields(message_filter) if each.name not in KNOWN_PARTS)
    return [name for name in asked if getattr(message_filter, name) != getattr(plain, name)]


def count_calls(message_filter: MessageFilter, *, max_seconds: float | None = None) -> int:
    """How many responses the filter fits. Raises ``TooSlow`` where that takes more than ``max_seconds``."""
    with connection.translated(), connection.within(max_seconds):
        return sum(map(connection.collection(CALLS).count_documents, message_queries(message_filter)))


def scan_calls(message_filter: MessageFilter) -> Iterator[Document]:
    """Every response the filter fits, each once, with ``Decimal`` money; by id, or session by session where
    the filter chooses sessions.

    Each thousand is a query of its own that goes on behind the last id: whoever takes an hour over them
    loses no cursor. Memory is such a thousand.
    """
    for query in message_queries(message_filter):
        behind: Document = {}
        while chunk := _chunk({"$and": [query, behind]}):
            yield from map(_plain, chunk)
            behind = {"_id": {"$gt": chunk[-1]["_id"]}}


def _chunk(query: Document) -> list[Document]:
    with connection.translated():
        return list(connection.collection(CALLS).find(query).sort("_id", 1).limit(CALLS_AT_ONCE))


def _plain(call: Document) -> Document:
    return {
        name: value.to_decimal() if isinstance(value, Decimal128) else value for name, value in call.items()
    }
