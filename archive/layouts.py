"""Layouts, and the migration from one to the other: what state it is in, and what may come next.

*Rolling*: every message lies in a hot partition, a sealed one for each month. *Tiered*: what is older lies in
warm, cold and frozen partitions. A migration builds the other layout beside the one that is live; both have
the open partition in common, so that a message that comes in meanwhile is in both at once. Only ``cut-over``
and ``roll-back`` change what readers see, each in one transaction of the catalogue.

One document for each migration: ``{_id: number, to, phase, sources, months, parallel, strays, checkpoint,
coldBefore, validated, holder, history}``. It is changed by compare-and-set alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bson.int64 import Int64
from pymongo.errors import DuplicateKeyError

from archive import connection
from archive.collections import LAYOUT_MIGRATIONS
from archive.connection import Document
from archive.errors import Conflict
from archive.partitions import Tier, tier_of
from archive.unit_of_work import Transactions, end_session

if TYPE_CHECKING:
    from archive.unit_of_work import UnitOfWork


class Layout(StrEnum):
    """Where messages lie once they have grown old."""

    ROLLING = "rolling"
    TIERED = "tiered"


class Phase(StrEnum):
    """What of a migration is done; ``finishing`` and ``rolling_back`` are begun and can only be ended."""

    CREATED = "created"
    DUAL_WRITING = "dual_writing"
    BACKFILLED = "backfilled"
    VALIDATED = "validated"
    CUT_OVER = "cut_over"
    FINISHING = "finishing"
    FINISHED = "finished"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


ENDED = (Phase.FINISHED, Phase.ROLLED_BACK)
BEFORE_CUT_OVER = (Phase.CREATED, Phase.DUAL_WRITING, Phase.BACKFILLED, Phase.VALIDATED)
ALLOWED: dict[str, tuple[Phase, ...]] = {
    "dual-write": (Phase.CREATED, Phase.DUAL_WRITING),
    "backfill": (Phase.DUAL_WRITING, Phase.BACKFILLED, Phase.VALIDATED),
    "validate": (Phase.BACKFILLED, Phase.VALIDATED),
    "cut-over": (Phase.VALIDATED,),
    "finish": (Phase.CUT_OVER, Phase.FINISHING),
    "roll-back": (*BEFORE_CUT_OVER, Phase.CUT_OVER, Phase.ROLLING_BACK),
}
"""In which phases an action may be done."""
NEXT = {
    Phase.CREATED: "dual-write",
    Phase.DUAL_WRITING: "backfill",
    Phase.BACKFILLED: "validate",
    Phase.VALIDATED: "cut-over",
    Phase.CUT_OVER: "finish",
    Phase.FINISHING: "finish",
    Phase.ROLLING_BACK: "roll-back",
}
"""What comes next in each phase."""
ACTIONS = ("create", *ALLOWED)


class WrongPhase(Conflict):
    """An action of a migration out of its order."""

    code = "layout_wrong_phase"


class MigrationRunning(Conflict):
    """Messages cannot move between tiers while a migration of the layout is under way."""

    code = "layout_migrating"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"Migration {number} of the layout is under way: until it ends no message changes its tier.",
            hint="Finish it, or roll it back: manage.py migrate_layout status",
        )


class LayoutChanged(Conflict):
    """The two layouts do not hold the same messages any more."""

    code = "layout_changed"


class LostMigration(Conflict):
    """Another job has taken the migration over; this one must stop."""

    code = "fenced"


class _AlreadyWritten(Exception):
    """This very change was committed, but the answer was lost."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration as it was when it was read."""

    number: int
    to: Layout
    phase: Phase
    document: Document

    @property
    def sources(self) -> list[str]:
        """The hot partitions that are not in the tiered layout."""
        return list(self.document["sources"])

    @property
    def is_cut_over(self) -> bool:
        """Whether readers see the new layout."""
        return bool(self.document["cutOver"])

    def told(self) -> dict[str, Any]:
        """For a person: plain JSON values."""
        names = ("sources", "parallel", "checkpoint", "validated", "history", "coldBefore")
        told = {name: _plain(self.document.get(name)) for name in names}
        return {
            "number": self.number,
            "to": str(self.to),
            "phase": str(self.phase),
            "next": NEXT.get(self.phase, ""),
            "canRollBack": self.phase in ALLOWED["roll-back"],
            **told,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Int64):
        return int(value)
    return value.isoformat() if isinstance(value, datetime) else value


def find_last() -> Migration | None:
    """The last migration, ended or not; None where there never was one. Raises ``Unavailable``."""
    with connection.translated():
        found = connection.collection(LAYOUT_MIGRATIONS).find_one({}, sort=[("_id", -1)])
    return _migration(found) if found else None


def find_active() -> Migration | None:
    """The migration that is under way, if one is."""
    last = find_last()
    return None if last is None or last.phase in ENDED else last


def _migration(document: Document) -> Migration:
    return Migration(int(document["_id"]), Layout(document["to"]), Phase(document["phase"]), document)


def require(action: str) -> Migration:
    """The migration under way, in a phase that allows the action. Raises ``WrongPhase`` naming what comes
    next instead."""
    migration = find_active()
    if migration is None:
        raise WrongPhase(f"{action}: no migration of the layout is under way.", hint="Begin with create.")
    if migration.phase not in ALLOWED[action]:
        raise WrongPhase(
            f"{action} cannot be done now: migration {migration.number} is {migration.phase}.",
            hint=f"Next comes {NEXT[migration.phase]}.",
        )
    return migration


def check_can_create() -> int:
    """The number for a new migration. Raises ``WrongPhase`` where one is under way."""
    last = find_last()
    if last is not None and last.phase not in ENDED:
        raise WrongPhase(
            f"Migration {last.number} of the layout is under way: it is {last.phase}.",
            hint=f"Next comes {NEXT[last.phase]}, or roll-back.",
        )
    return last.number + 1 if last else 1


def enter(unit: UnitOfWork, number: int, to: Layout, facts: Mapping[str, Any]) -> None:
    """Write down the new migration. Raises ``WrongPhase`` where another one was entered first."""
    now = datetime.now(UTC)
    document = {
        "_id": Int64(number), "to": to, "phase": Phase.CREATED, "cutOver": False, "sources": [], "months": {},
        "parallel": [], "strays": [], "checkpoint": {}, "validated": None, "holder": {},
        "writes": 0,
        "history": [{"phase": Phase.CREATED, "at": now}], **facts,
    }  # fmt: skip
    try:
        unit[LAYOUT_MIGRATIONS].insert_one(document, session=unit.session)
    except DuplicateKeyError as twin:
        raise WrongPhase(
            f"Migration {number} of the layout was begun by another.", hint="Look at status."
        ) from twin


def check_no_migration(unit: UnitOfWork) -> None:
    """Raises ``MigrationRunning`` where one is under way as the transaction sees it."""
    query = {"phase": {"$nin": list(ENDED)}}
    found = unit[LAYOUT_MIGRATIONS].find_one(query, {"_id": 1}, session=unit.session)
    if found is not None:
        raise MigrationRunning(int(found["_id"]))


class Held:
    """A migration as one process holds it: nobody else can change it until another takes it over."""

    def __init__(self, migration: Migration, job_id: str, token: int) -> None:
        self.migration = migration
        self.job_id, self.token = job_id, token
        self.transactions = Transactions()

    @property
    def document(self) -> Document:
        """As it was last written."""
        return self.migration.document

    def update(self, change: Document) -> None:
        """Change it by itself. Raises ``LostMigration``, ``Unavailable``."""
        self.run(lambda unit: None, change)

    def run(self, work: Callable[[UnitOfWork], None], change: Document) -> None:
        """Do the work and change the migration in one transaction. Raises ``LostMigration`` before anything
        is done, whatever ``work`` raises, ``Unavailable``. ``work`` may run several times."""

        numbered = {**change, "$inc": {"writes": 1}}

        def attempt(unit: UnitOfWork) -> None:
            written = unit[LAYOUT_MIGRATIONS].update_one(self._mine(), numbered, session=unit.session)
            if not written.matched_count:
                self._refuse(unit)
            work(unit)

        try:
            with connection.translated():
                self.transactions.run(attempt)
        except _AlreadyWritten:
            pass  # the commit's answer was lost, the commit was not
        self.read()

    def read(self) -> None:
        """See what it is now."""
        with connection.translated():
            found = connection.collection(LAYOUT_MIGRATIONS).find_one({"_id": Int64(self.migration.number)})
        if found is not None:
            self.migration = _migration(found)

    def close(self) -> None:
        self.transactions.close()

    def _mine(self, later: int = 0) -> Document:
        return {
            "_id": Int64(self.migration.number),
            "holder.jobId": self.job_id,
            "holder.token": self.token,
            "writes": self.document["writes"] + later,
        }

    def _refuse(self, unit: UnitOfWork) -> None:
        if unit[LAYOUT_MIGRATIONS].find_one(self._mine(1), {"_id": 1}, session=unit.session):
            raise _AlreadyWritten
        raise LostMigration(f"Migration {self.migration.number} was taken over by another job.")


def step_to(phase: Phase, **facts: Any) -> Document:
    """The change that brings a migration into a phase."""
    entry = {"phase": phase, "at": datetime.now(UTC)}
    return {"$set": {"phase": phase, **facts}, "$push": {"history": entry}}


def take(migration: Migration, job_id: str, token: int) -> Held:
    """Hold the migration. Whoever held it before can change nothing any more; what it left open is ended."""
    held = Held(migration, job_id, token)
    with connection.translated():
        end_session(migration.document["holder"].get("lsid"))
        holder = {"jobId": job_id, "token": Int64(token), "lsid": held.transactions.session_id}
        connection.collection(LAYOUT_MIGRATIONS).update_one(
            {"_id": Int64(migration.number)}, {"$set": {"holder": holder}}
        )
    held.read()
    return held


def find_beside() -> Callable[[str], bool]:
    """Whether a collection, or the batch "batch <number>", belongs to that side of a migration under way that
    readers do not see: the catalogue knows nothing of it."""
    migration = find_active()
    if migration is None:
        return lambda name: False
    if (migration.to == Layout.TIERED) != migration.is_cut_over:
        return lambda name: name.startswith("batch ") or tier_of(name) != Tier.HOT
    hot = {*migration.sources, *migration.document["months"].values()}
    return hot.__contains__
