"""Giving back to the disk what deleted documents left free in the files, one collection at a time.

The server uses free room again for what comes, so this is worth its work only where much lies free that
will not be needed again: in hot partitions after a move, in sealed ones. A time-series cannot be compacted
(the server refuses it); its free room serves the next move. Only the server that the archive writes to is
compacted: other members of a replica set are compacted through a connection of their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pymongo.errors import OperationFailure

from archive import connection
from archive.connection import Document
from archive.errors import Conflict, NotFound
from archive.storage_figures import CollectionFigures, Figures, measure, space_of, stats_of

LEAST_FREE_BYTES = 64 * 1024 * 1024
LEAST_FREE_PERCENT = 20
"""By default a collection is worth compacting from so much free room on, of both at once."""

SAMPLE_SECONDS = 1.0
MOST_QUEUED = 2
MOST_ACTIVE = 8
MOST_WRITES_A_SECOND = 500
LEAST_TICKETS = 0.25
REFUSALS = frozenset({"CommandNotSupportedOnView", "CommandNotSupported", "ConflictingOperationInProgress"})


class NotCompactable(Conflict):
    """The server does not compact this collection, or not now."""

    code = "not_compactable"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A collection that is worth compacting: its bytes on the disk with indexes, and how many lie free."""

    name: str
    stored: int
    free: int

    @property
    def percent(self) -> int:
        """How much of it lies free, from 0 to 100."""
        return round(100 * self.free / self.stored) if self.stored else 0


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a collection took before and after, with its indexes, and for how many seconds it took."""

    name: str
    before: int
    after: int
    seconds: float

    @property
    def freed(self) -> int:
        """What the disk got back; 0 where others wrote more meanwhile."""
        return max(0, self.before - self.after)


def candidates(
    least_bytes: int = LEAST_FREE_BYTES,
    least_percent: int = LEAST_FREE_PERCENT,
    names: Iterable[str] = (),
    figures: Figures | None = None,
) -> list[Candidate]:
    """The collections worth compacting, the one with most free room first. Reads only.

    ``names`` are looked at whatever lies free in them, and no others. Raises NotFound for a name that is no
    collection of the archive, NotCompactable for one that the server does not compact, Unavailable.
    """
    now = figures or measure()
    known = {each.name: each for each in (*now.partitions, *now.others)}
    wanted = list(names)
    chosen = [_named(known, name) for name in wanted] or [
        each
        for each in known.values()
        if each.is_compactable and not each.is_building and _is_worth_it(each, least_bytes, least_percent)
    ]
    found = [Candidate(each.name, each.space.on_disk, each.space.free) for each in chosen]
    return sorted(found, key=lambda each: (-each.free, each.name))


def _is_worth_it(figures: CollectionFigures, least_bytes: int, least_percent: int) -> bool:
    space = figures.space
    return space.free >= max(1, least_bytes) and 100 * space.free >= least_percent * space.on_disk


def _named(known: dict[str, CollectionFigures], name: str) -> CollectionFigures:
    if name not in known:
        hint = f"There are: {', '.join(sorted(known))}."
        raise NotFound(f"The archive has no collection {name[:80]!r}.", hint=hint)
    if not known[name].is_compactable:
        raise NotCompactable(
            f"{name} cannot be compacted: the server does not do that to a time-series or to files.",
            hint="Its free room is used again by the next messages that move there.",
        )
    return known[name]


def busy_with(sample_seconds: float = SAMPLE_SECONDS) -> str:
    """Why the server is too busy to compact anything now, in words; empty when it is not.

    Looks for operations that wait or run, at the tickets of the storage engine, and counts writes for
    ``sample_seconds``. Raises ``Unavailable``.
    """
    with connection.translated():
        before, began = _status(), time.monotonic()
        time.sleep(sample_seconds)
        after = _status()
    lock = after["globalLock"]
    queued, active = lock["currentQueue"]["total"], lock["activeClients"]["total"]
    if queued > MOST_QUEUED:
        return f"{queued} operations wait for their turn"
    if active > MOST_ACTIVE:
        return f"{active} operations are at work"
    if _tickets_left(after) < LEAST_TICKETS:
        return "its storage engine has few tickets left"
    writes = (_writes(after) - _writes(before)) / max(time.monotonic() - began, 0.001)
    return f"it takes {writes:,.0f} writes a second" if writes > MOST_WRITES_A_SECOND else ""


def _status() -> Document:
    return connection.client().admin.command("serverStatus")


def _writes(status: Document) -> int:
    return sum(int(status["opcounters"].get(name, 0)) for name in ("insert", "update", "delete"))


def _tickets_left(status: Document) -> float:
    """The share of tickets that are free, of reads or writes whichever is less; 1 where none are told."""
    tickets = _ticket_counts(status)
    return min((each["available"] / each["totalTickets"] for each in tickets), default=1.0)


def _ticket_counts(status: Document) -> Iterator[Document]:
    told = status.get("wiredTiger", {}).get("concurrentTransactions", {})
    for way in ("read", "write"):
        if told.get(way, {}).get("totalTickets"):
            yield told[way]


def compact(name: str) -> Compacted:
    """Compact this collection and its indexes; comes back when that is done, which may be long.

    Reads and writes go on meanwhile. Safe to repeat, and to be killed. Raises NotFound where there is no such
    collection, NotCompactable where the server refuses, Unavailable.
    """
    with connection.translated():
        before = _on_disk(name)
        began = time.monotonic()
        try:
            connection.database().command("compact", name, force=True)
        except OperationFailure as error:
            told = (error.details or {}).get("codeName")
            if told in REFUSALS:
                raise NotCompactable(f"The server does not compact {name}: {told}.") from error
            raise
        return Compacted(name, before, _on_disk(name), time.monotonic() - began)


def _on_disk(name: str) -> int:
    stats = stats_of(name)
    if stats is None:
        raise NotFound(f"There is no collection {name!r} any more.")
    return space_of(stats).on_disk
