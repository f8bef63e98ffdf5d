"""Rotation: ``messages_current`` is sealed under the name of a month, and a new one takes its place.

Writers wait meanwhile: the archive's lock is held from the first transaction to the last (``archive.locks``).
Between the two the names change one after the other, and the catalogue says ``rotating``: readers wait, too.
Whoever comes upon a half rotation, be it the same job again or another one, looks at which names exist and
finishes it. Two at once cannot do harm: no rename ever takes the place of something that exists.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, count
from typing import Any, TypeVar

from bson.int64 import Int64
from pymongo.errors import OperationFailure

from archive import checkpoints, connection, events, indexes, locks, partitions
from archive.checkpoints import AlreadyWritten, Checkpoint
from archive.collections import HOT_SPEC, MESSAGES, PARTITIONS
from archive.connection import Document
from archive.errors import Conflict
from archive.indexes import NAMESPACE_EXISTS, NAMESPACE_NOT_FOUND
from archive.locks import Locked, Rotating
from archive.measuring import Before, measured, measured_before, measured_since
from archive.partitions import Holding, PartitionState, Tier, month_of, sealed_name
from archive.unit_of_work import UnitOfWork, patiently

T = TypeVar("T")

NEXT_MESSAGES = "messages_next"
WAIT_SECONDS = 1.0


class NameTaken(Conflict):
    """The name that a sealed partition was to get belongs to another collection."""

    code = "partition_name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The database has a collection {name} already.",
            hint="Plan the rotation again: it gets another name.",
        )


class Misplaced(Conflict):
    """Collections are not what a rotation leaves behind, at whatever moment it was stopped."""

    code = "partition_misplaced"


class _Finished(Exception):
    """Somebody else has finished this rotation meanwhile."""


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """``messages_current`` with about so many messages and bytes becomes ``name``; it is ``due`` or not, and
    ``half_done`` where a rotation was begun and has to be finished whatever its size."""

    name: str
    messages: int
    bytes: int
    due: bool
    half_done: bool = False


@dataclass(frozen=True, slots=True)
class Rotation:
    """How far a rotation is: it waits, ``why`` says for what; or ``name`` is sealed with ``holding`` in it
    ("": there was nothing to seal). ``begun_by`` is the job that had begun it."""

    name: str = ""
    holding: Holding = field(default_factory=Holding)
    begun_by: str = ""
    why: str = ""


# ------------------------------------------------------------------ the plan


def plan_rotation(above_bytes: int = 0, now: datetime | None = None) -> RotationPlan:
    """What a rotation would do now; due if there are messages, of more than ``above_bytes``. Reads only.
    Counts and bytes are the server's own, which may be off after a crash. Raises ``Unavailable``."""
    with connection.translated():
        if half := _find_half():
            return RotationPlan(half["rotation"]["target"], 0, 0, due=True, half_done=True)
        stats = connection.database().command("collStats", MESSAGES)
        name = free_name(month_of(now or datetime.now(UTC)))
        has_any = not _is_empty(MESSAGES)
    return RotationPlan(name, stats["count"], stats["size"], has_any and stats["size"] > above_bytes)


def free_name(month: str) -> str:
    """The name for what is sealed in this month: ``messages_2026_03``, and where that is taken
    ``messages_2026_03_b`` and so on."""
    taken = _taken()
    first = sealed_name(month)
    further = (f"{first}_{_letters(number)}" for number in count(1))
    return next(name for name in chain([first], further) if name not in taken)


def _letters(number: int) -> str:
    """b, c, … z, za, zb, …: each comes after the one before in the order of names."""
    return "z" * ((number - 1) // 25) + chr(ord("a") + (number - 1) % 25 + 1)


# ------------------------------------------------------------------ doing it


def rotate(
    job_id: str, token: int, target: str = "", reached: Callable[[str], None] = lambda point: None
) -> Generator[Rotation]:
    """Seal ``messages_current`` as ``target`` ("": the next free name of this month), or finish what was half
    done; yields while it waits for the lock, then once when it is done. Nothing to seal is not an error.

    Safe to repeat under the same job: it seals once. ``reached`` is told each step. Raises ``NameTaken`` or
    ``Misplaced`` before anything is changed, ``Fenced`` when another process took the job over,
    ``Unavailable``.
    """
    checkpoint = patiently(lambda: checkpoints.take(job_id, token))
    try:
        yield from _Run(checkpoint, target, reached).steps()
    finally:
        checkpoint.close()


@dataclass(slots=True)
class _Run:
    checkpoint: Checkpoint
    target: str
    reached: Callable[[str], None]
    before: Before | None = None

    def steps(self) -> Iterator[Rotation]:
        if done := self._find_done():
            yield done
            return
        while (half := _asked(_find_half)) is None:
            if _asked(lambda: _is_empty(MESSAGES)):
                yield Rotation()
                return
            target = self._prepare()
            self.reached("prepared")
            yield from self._begin(target)
            self.reached("begun")
        yield self._finish(half)

    def _find_done(self) -> Rotation | None:
        """What this job sealed before it was stopped."""
        name = self.checkpoint.position.get("target", "")
        found = {each.name: each for each in _asked(partitions.read_partitions)}.get(name)
        if found is None:
            return None
        sums = (found.count or 0, found.bytes or 0, found.since, found.until, found.undated)
        return Rotation(name, Holding(*sums), self.checkpoint.job_id)

    def _prepare(self) -> str:
        """Have the next ``messages_current`` ready, and this one counted; the name for it."""
        _asked(lambda: _make(NEXT_MESSAGES))
        if not _asked(lambda: _is_empty(NEXT_MESSAGES)):
            raise Misplaced(
                f"{NEXT_MESSAGES} holds messages: nothing should ever be written there.",
                hint=f"Look at what they are, and drop or rename {NEXT_MESSAGES}.",
            )
        self.before = _asked(lambda: measured_before(MESSAGES))
        return self.target or _asked(lambda: free_name(month_of(datetime.now(UTC))))

    def _begin(self, target: str) -> Iterator[Rotation]:
        """Take the archive's lock once nobody else has it, and tell the catalogue."""
        while True:
            try:
                self._do({"target": target}, lambda unit: self._lock(unit, target))
            except Rotating:
                return  # another came first: its rotation is finished
            except NameTaken:
                if self.target:
                    raise
                return  # another took the name that was free: there is a next one
            except Locked as other:
                yield Rotation(why=other.why)
                locks.is_free_within(WAIT_SECONDS)
            else:
                return

    def _do(self, position: dict[str, Any], work: Callable[[UnitOfWork], None]) -> None:
        """Do one piece of work in a transaction, with the position after it."""

        def attempt(unit: UnitOfWork) -> None:
            self.checkpoint.save(unit, position, self.checkpoint.counts)
            work(unit)

        try:
            with connection.translated():
                self.checkpoint.transactions.run(attempt)
        except AlreadyWritten:
            pass  # the commit's answer was lost, the commit was not
        self.checkpoint.saved(position, self.checkpoint.counts)

    def _lock(self, unit: UnitOfWork, target: str) -> None:
        locks.lock(unit, Rotating, self.checkpoint.job_id)
        if target in _names() or unit[PARTITIONS].find_one({"_id": target}, session=unit.session):
            raise NameTaken(target)
        rotation = {"target": target, "jobId": self.checkpoint.job_id}
        begun = {"state": PartitionState.ROTATING, "rotation": rotation}
        is_open = {"_id": MESSAGES, "state": PartitionState.OPEN}
        if not unit[PARTITIONS].update_one(is_open, {"$set": begun}, session=unit.session).matched_count:
            raise Misplaced(f"The catalogue has no open {MESSAGES}.", hint="Restart ClaudeLens.")
        partitions.raise_version(unit)

    # -------------------------------------------------------------- from here on it is only finished

    def _finish(self, half: Document) -> Rotation:
        target, begun_by = half["rotation"]["target"], half["rotation"]["jobId"]
        while step := _asked(lambda: _next_rename(target)):
            _asked(lambda: _rename(*step))
            self.reached(f"renamed {step[0]}")
        # Whoever made it, it has its validator and its indexes before the first message.
        _asked(lambda: _make(MESSAGES))
        if not _asked(lambda: _is_empty(MESSAGES)):
            self._give_up(target, begun_by)
        holding = _asked(lambda: self._measured(target))
        self.reached("measured")
        try:
            self._do({"target": target}, lambda unit: _open(unit, target, begun_by, holding))
        except _Finished:
            pass
        self.reached("opened")
        return Rotation(target, holding, begun_by)

    def _measured(self, target: str) -> Holding:
        return measured(target) if self.before is None else measured_since(target, self.before)

    def _give_up(self, target: str, begun_by: str) -> None:
        """Nothing was renamed: somebody made a collection of that name in the very moment before. If it was
        another process that has finished this rotation, all is well."""
        try:
            self._do({}, lambda unit: _reopen(unit, target, begun_by))
        except _Finished:
            return
        raise NameTaken(target)


def _open(unit: UnitOfWork, target: str, begun_by: str, holding: Holding) -> None:
    """Enter the sealed partition, open the new current one, and let the others write again."""
    _reopen(unit, target, begun_by)
    now = datetime.now(UTC)
    row = {
        "_id": target,
        "tier": Tier.HOT,
        "state": PartitionState.SEALED,
        "count": Int64(holding.count),
        "bytes": Int64(holding.bytes),
        "undated": holding.undated,
        **({"since": holding.since, "until": holding.until} if holding.since else {}),
        "createdAt": now,
        "sealedAt": now,
    }
    unit[PARTITIONS].insert_one(row, session=unit.session)
    position = events.next_position(unit)
    facts = {"jobId": begun_by, "partition": target, "messages": Int64(holding.count)}
    events.append(unit, position, "messages.rotated", **facts)


def _reopen(unit: UnitOfWork, target: str, begun_by: str) -> None:
    """Have ``messages_current`` open again. Raises ``_Finished`` where this rotation is over already."""
    rotating = {"_id": MESSAGES, "state": PartitionState.ROTATING, "rotation.target": target}
    change = {"$set": {"state": PartitionState.OPEN}, "$unset": {"rotation": ""}}
    if not unit[PARTITIONS].update_one(rotating, change, session=unit.session).matched_count:
        raise _Finished
    locks.unlock(unit, Rotating, begun_by)
    partitions.raise_version(unit)


# ------------------------------------------------------------------ names and what is under them


def _asked(call: Callable[[], T]) -> T:
    """What ``call`` finds, however long the server is away; it must be safe to repeat."""

    def ask() -> T:
        with connection.translated():
            return call()

    return patiently(ask)


def _find_half() -> Document | None:
    """The catalogue's row of a rotation that has begun and is not finished."""
    return connection.collection(PARTITIONS).find_one({"_id": MESSAGES, "state": PartitionState.ROTATING})


def _names() -> set[str]:
    return set(connection.database().list_collection_names())


def _taken() -> set[str]:
    return _names() | {each.name for each in partitions.read_partitions()}


def _is_empty(name: str) -> bool:
    return connection.collection(name).find_one({}, {"_id": 1}) is None


def _next_rename(target: str) -> tuple[str, str] | None:
    """What has to be renamed next, and to what; None once both have their names, or another process has
    finished this rotation."""
    names, half = _names(), _find_half()
    if half is None or half["rotation"]["target"] != target:
        return None
    if target not in names:
        if MESSAGES not in names:
            raise Misplaced(
                f"Neither {MESSAGES} nor {target} exists.", hint="Restore the database from a backup."
            )
        return MESSAGES, target
    if MESSAGES in names:
        return None
    _make(NEXT_MESSAGES)
    return NEXT_MESSAGES, MESSAGES


def _make(name: str) -> None:
    """Have a hot collection of that name, with all that belongs to it."""
    try:
        indexes.ensure(replace(HOT_SPEC, name=name))
    except OperationFailure as error:
        # Another rotation has just renamed it.
        if error.code != NAMESPACE_NOT_FOUND:
            raise


def _rename(name: str, new_name: str) -> None:
    """Rename a collection. Where another process did it meanwhile, the names tell."""
    try:
        connection.collection(name).rename(new_name)
    except OperationFailure as error:
        if error.code not in (NAMESPACE_NOT_FOUND, NAMESPACE_EXISTS):
            raise
