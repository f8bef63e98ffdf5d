"""The indexes that there are on partitions and keys: how large, and how often used since when.

MongoDB counts the uses of an index from when the server started or the index was made. ``record_usage``
keeps what it has seen, so that uses before a restart are not forgotten.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.int64 import Int64
from pymongo.errors import OperationFailure

from archive import connection
from archive.collections import INDEX_USAGE, KEYS
from archive.connection import Document
from archive.partitions import Tier, find_partitions

KEPT_DAYS = 400
NAMESPACE_NOT_FOUND = 26
Keys = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class IndexFact:
    """One index of one collection as it is now. ``bytes`` is its size on disk; ``ops`` the uses since
    ``since``, None where the server does not tell. ``options`` are those it was made with besides."""

    collection: str
    name: str
    keys: Keys
    bytes: int = 0
    ops: int | None = None
    since: datetime | None = None
    hidden: bool = False
    unique: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether every document is in it, as it stands: not sparse, partial, or by a language's order."""
        return not self.options


@dataclass(frozen=True, slots=True)
class Usage:
    """Uses of an index within some days: how many, and since when all of them are known."""

    used: int
    known_since: datetime


def collections_with_indexes() -> list[str]:
    """Every partition that is a collection, and the keys of what has left hot."""
    return [*(each.name for each in find_partitions() if each.tier != Tier.FROZEN), KEYS]


def read_facts(collections: Iterable[str]) -> list[IndexFact]:
    """All indexes of these collections; of those that are gone by now none. Raises ``Unavailable``."""
    with connection.translated():
        return [fact for name in collections for fact in _facts_of(name)]


def _facts_of(collection: str) -> Iterator[IndexFact]:
    handle = connection.collection(collection)
    try:
        sizes = connection.database().command("collStats", collection).get("indexSizes", {})
        uses = {each["name"]: each for each in handle.aggregate([{"$indexStats": {}}])}
        for spec in handle.list_indexes():
            yield _fact(collection, dict(spec), sizes, uses.get(spec["name"]))
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:
            raise


def _fact(collection: str, spec: Document, sizes: Mapping[str, int], use: Document | None) -> IndexFact:
    accesses = use["accesses"] if use else {}
    known = {"v", "key", "name", "hidden", "unique", "ns"}
    return IndexFact(
        collection,
        spec["name"],
        tuple(spec["key"].items()),
        int(sizes.get(spec["name"], 0)),
        int(accesses["ops"]) if use else None,
        accesses.get("since"),
        bool(spec.get("hidden")),
        bool(spec.get("unique")),
        tuple(sorted((name, value) for name, value in spec.items() if name not in known)),
    )


def uses_since(ops: int, since: datetime, before: Document | None) -> int:
    """How often it was used since ``before``, a row of the history, was written. Where the server has begun
    to count anew in between, all that it counts is new."""
    if before is None or before["since"] != since or before["ops"] > ops:
        return ops
    return ops - int(before["ops"])


def record_usage(facts: Iterable[IndexFact]) -> int:
    """Write what was seen into the history, and forget what is older than 400 days; the rows written.

    Harmless to repeat. Raises ``Unavailable``.
    """
    now, server = datetime.now(UTC), _server()
    with connection.translated():
        history = connection.collection(INDEX_USAGE)
        history.delete_many({"at": {"$lt": now - timedelta(days=KEPT_DAYS)}})
        rows = [_row(each, now, server) for each in facts if each.ops is not None]
        if rows:
            history.insert_many(rows, ordered=False)
    return len(rows)


def _server() -> str:
    """Each server of a replica set counts for itself."""
    address = connection.client().address
    return f"{address[0]}:{address[1]}" if address else socket.gethostname()


def _row(fact: IndexFact, now: datetime, server: str) -> Document:
    of_it = {"collection": fact.collection, "index": fact.name}
    history = connection.collection(INDEX_USAGE)
    before = history.find_one({**of_it, "server": server}, sort=[("at", -1)])
    ops, since = fact.ops or 0, fact.since or now
    figures = {"ops": Int64(ops), "used": Int64(uses_since(ops, since, before)), "bytes": Int64(fact.bytes)}
    return {**of_it, "server": server, "at": now, "since": since, "hidden": fact.hidden, **figures}


def usage_of(
    facts: Iterable[IndexFact], days: int, now: datetime | None = None
) -> dict[tuple[str, str], Usage]:
    """How often each was used within the last ``days``, by collection and name, from the history and from
    what is counted now. Unknown ones are left out. Raises ``Unavailable``."""
    now = now or datetime.now(UTC)
    with connection.translated():
        return {
            (fact.collection, fact.name): _usage(fact, _history(fact), now - timedelta(days=days))
            for fact in facts
            if fact.ops is not None
        }


def _history(fact: IndexFact) -> list[Document]:
    asked = {"collection": fact.collection, "index": fact.name}
    return list(connection.collection(INDEX_USAGE).find(asked).sort("at", 1))


def _usage(fact: IndexFact, rows: list[Document], since: datetime) -> Usage:
    latest = next((each for each in reversed(rows) if each["server"] == _server()), None)
    begun = fact.since or datetime.now(UTC)
    used = uses_since(fact.ops or 0, begun, latest)
    used += sum(int(each["used"]) for each in rows if each["at"] >= since)
    return Usage(used, min([begun, *(each["since"] for each in rows)]))
