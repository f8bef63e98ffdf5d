"""The actions of a migration of the layout, each a generator that can be killed anywhere and run again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from archive import connection, events, layout_checks, layouts, locks, partitions, places, rotation
from archive.collections import KEYS, MESSAGES, PARTITIONS, TIER_BATCHES, WARM_MESSAGES
from archive.connection import Document
from archive.errors import Conflict
from archive.journal import TierBatch
from archive.layout_checks import Difference, Sums
from archive.layout_copying import IntoBatches, IntoMonths, create_month
from archive.layout_legacy import adopt, find_legacy
from archive.layout_sides import HotSide, Side, TieredSide, stray_of, total
from archive.layouts import Held, Layout, LayoutChanged, Migration, Phase, step_to
from archive.locks import Locked
from archive.partitions import PartitionState, Tier, month_of, tier_of
from archive.unit_of_work import Transactions

if TYPE_CHECKING:
    from archive.unit_of_work import UnitOfWork

WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """A unit of an action that is done. ``differences`` are what a validation found."""

    records: int = 0
    bytes: int = 0
    note: str = ""
    differences: tuple[Difference, ...] = field(default=())


def live_and_other(migration: Migration) -> tuple[Side, Side]:
    """The side that readers see, and the other one."""
    hot: Side = HotSide(
        migration.sources if migration.to == Layout.TIERED else migration.document["months"].values()
    )
    tiered: Side = TieredSide()
    is_hot_live = (migration.to == Layout.TIERED) != migration.is_cut_over
    return (hot, tiered) if is_hot_live else (tiered, hot)


# ------------------------------------------------------------------ create


def create(to: Layout, cold_after_days: int) -> Iterator[Work]:
    """Begin a migration: everything that the new layout needs is made, empty, and legacy collections are
    adopted. Raises ``WrongPhase``, ``Conflict`` (``layout_already``, ``layout_moves_pending``) and what
    adopting raises."""
    number = layouts.check_can_create()
    legacy = find_legacy() if to == Layout.TIERED else []
    check_can_migrate(to)
    if legacy:
        for messages in adopt(legacy):
            yield Work(note=f"Adopted {', '.join(legacy)}: {messages:,} messages." if messages else "")
    facts: Document = {"coldBefore": _day(datetime.now(UTC) - timedelta(days=cold_after_days))}
    if to == Layout.ROLLING:
        facts["months"] = {month: rotation.free_name(month) for month in _months_of_batches()}
        for name in facts["months"].values():
            create_month(name)
    else:
        with connection.translated():
            places.place_of(Tier.WARM).prepare(month_of(datetime.now(UTC)))
    transactions = Transactions()
    try:
        with connection.translated():
            transactions.run(lambda unit: _enter(unit, number, to, facts))
    finally:
        transactions.close()
    yield Work(note=f"Migration {number} to the {to} layout is created.")


def _enter(unit: UnitOfWork, number: int, to: Layout, facts: Document) -> None:
    layouts.check_no_migration(unit)
    layouts.enter(unit, number, to, facts)
    # Whoever makes a partition outside hot at this moment does that, too: one of the two comes first.
    partitions.raise_version(unit)
    if to == Layout.TIERED and any(each.tier != Tier.HOT and each.count for each in unit.partitions):
        raise _already(to)


def check_can_migrate(to: Layout) -> None:
    """Raises ``Conflict``: the layout is as wanted already, or a move was stopped half-way."""
    with connection.translated():
        batches = connection.collection(TIER_BATCHES)
        if batches.find_one({"busy": True}, {"_id": 1}) is not None:
            raise Conflict(
                "A move between tiers was stopped before its end.",
                hint="Run migrate_tiers: it ends what was begun.",
                code="layout_moves_pending",
            )
        has_left = connection.collection(KEYS).find_one({}, {"_id": 1}) is not None
    if has_left == (to == Layout.TIERED):
        raise _already(to)


def _already(to: Layout) -> Conflict:
    if to == Layout.TIERED:
        message = "Messages lie outside hot already: the archive has the tiered layout."
        return Conflict(message, hint="migrate_tiers moves the others.", code="layout_already")
    message = "No message lies outside hot: the archive has the rolling layout."
    return Conflict(message, hint="Set CLAUDELENS_LAYOUT=rolling to keep it so.", code="layout_already")


def _months_of_batches() -> list[str]:
    with connection.translated():
        return sorted(connection.collection(TIER_BATCHES).distinct("month"))


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


# ------------------------------------------------------------------ dual-write, backfill, validate


def dual_write(held: Held) -> Iterator[Work]:
    """From here on every new message is in both layouts: what was open is sealed, and the new open partition
    belongs to both. Waits for imports' batches as a rotation does."""
    if held.migration.phase == Phase.DUAL_WRITING:
        yield Work(note="New messages are in both layouts already.")
        return
    sources: list[str] = []
    if held.migration.to == Layout.TIERED:
        for each in rotation.rotate(held.job_id, held.token):
            yield Work(note=f"Waiting: {each.why}." if each.why else "")
        sources = [
            each.name
            for each in partitions.find_partitions()
            if each.tier == Tier.HOT and each.state == PartitionState.SEALED
        ]
    held.update(step_to(Phase.DUAL_WRITING, sources=sources))
    yield Work(note="From here on every new message is in both layouts.")


def backfill(held: Held) -> Iterator[Work]:
    """Bring the other side up to the live one: what it lacks is copied, what it has too much is taken out.

    Raises ``LayoutChanged`` where messages went away meanwhile, ``Unavailable``.
    """
    if held.migration.phase != Phase.DUAL_WRITING:
        held.update(step_to(Phase.DUAL_WRITING, validated=None))
    yield from _catch_up(held)
    live, other = live_and_other(held.migration)
    rows = other.rows()
    has, wants = total(rows), total(live.live_rows())
    if has != wants:
        raise LayoutChanged(
            f"The live layout has {wants:,} messages, the new one {has:,}: some went away meanwhile.",
            hint="Run backfill again.",
        )
    held.update(step_to(Phase.BACKFILLED, parallel=rows))
    yield Work(note=f"The new layout has all {has:,} messages.")


def _catch_up(held: Held) -> Iterator[Work]:
    yield from _swept(held)
    live, other = live_and_other(held.migration)
    for ids in other.ids():
        gone = sorted(set(map(bytes, ids)) - live.present(ids))
        if gone:
            yield from _taken_out(held, other, gone)
            yield Work(note=f"{len(gone):,} messages are gone from the live layout: taken out.")
    if held.migration.is_cut_over and held.migration.to == Layout.TIERED:
        return  # what was cut over to has nothing that the former layout had not
    work = IntoBatches(held, live) if isinstance(live, HotSide) else IntoMonths(held)
    for copied in work.run():
        yield Work(copied.records, copied.bytes)


def _taken_out(held: Held, side: Side, ids: list[bytes]) -> Iterator[Work]:
    """Take these messages out. Outside hot a batch goes as a whole: its other messages are copied anew."""
    if isinstance(side, HotSide):
        held.run(lambda unit: side.let_go(unit, ids), {"$set": {"checkpoint": {}}})
    elif isinstance(side, TieredSide):
        for batch in side.batches_of(ids):
            change = {"$push": {"strays": stray_of(batch)}, "$set": {"checkpoint": {}}}
            held.run(lambda unit, number=batch["_id"]: side.let_go(unit, number), change)  # type: ignore[misc]
            yield from _swept(held)


def _swept(held: Held) -> Iterator[Work]:
    """Remove copies that belong to nobody: of a copying that was killed, of batches that were let go."""
    for stray in list(held.document["strays"]):
        remove_copy(stray)
        held.update({"$pull": {"strays": {"mark": stray["mark"]}}})
        yield Work()


def remove_copy(stray: Document) -> None:
    """Remove what lies under a mark. Idempotent."""
    place = places.place_of(tier_of(stray["partition"]))
    batch = TierBatch(
        int(stray["number"]), stray["partition"], stray["mark"], stray["object"], stray["month"]
    )
    with connection.translated():
        place.remove(batch, stray["ids"])


def validate(held: Held) -> Iterator[Work]:
    """Compare the two sides: counts and digests by month, then the product's own queries. Changes nothing but
    the phase: ``validated`` where nothing differs, else ``backfilled``."""
    live, other = live_and_other(held.migration)
    mine, theirs = Sums(), Sums()
    for side, sums in ((live, mine), (other, theirs)):
        for count in layout_checks.summed(side, sums):
            yield Work(records=count)
    found = list(layout_checks.compare(live, other, mine, theirs))
    rows, asked = other.rows(), 0
    leaving = {row["_id"] for row in live.live_rows()}
    for name, difference in layout_checks.asked(leaving, rows):
        asked += 1
        found += [difference] if difference else []
        yield Work(note="" if difference is None else f"Differs: {name}.")
    told: Document = {
        "at": datetime.now(UTC),
        "messages": sum(mine.counts.values()),
        "months": len(mine.months()),
        "queries": asked,
        "differences": [each.to_dict() for each in found],
    }
    phase = Phase.BACKFILLED if found else Phase.VALIDATED
    held.update(step_to(phase, validated=told, parallel=rows))
    yield Work(differences=tuple(found))


# ------------------------------------------------------------------ cut-over, finish, roll-back


def cut_over(held: Held) -> Iterator[Work]:
    """Readers see the new layout from here on. One transaction of the catalogue."""
    yield from _switch(held, Phase.CUT_OVER, cut_over=True)
    yield Work(note=f"The archive has the {held.migration.to} layout now. Next: finish, or roll-back.")


def _switch(held: Held, phase: Phase, *, cut_over: bool) -> Iterator[Work]:
    live, _ = live_and_other(held.migration)
    entering = list(held.document["parallel"])
    while True:
        leaving = live.live_rows()
        change = step_to(phase, cutOver=cut_over, parallel=leaving)
        try:
            held.run(lambda unit, out=leaving: _swap(unit, held, out, entering), change)  # type: ignore[misc]
        except Locked as other:
            yield Work(note=f"Waiting: {other.why}.")
            locks.is_free_within(WAIT_SECONDS)
        else:
            return


def _swap(unit: UnitOfWork, held: Held, leaving: list[Document], entering: list[Document]) -> None:
    position = events.next_position(unit, held.job_id)
    live, _ = live_and_other(held.migration)
    now = live.live_rows(unit.session)
    if total(now) != total(entering) or {each["_id"] for each in now} != {each["_id"] for each in leaving}:
        raise LayoutChanged(
            f"The live layout has {total(now):,} messages, the other one {total(entering):,}.",
            hint="Run backfill and validate again.",
        )
    names = [each["_id"] for each in leaving]
    unit[PARTITIONS].delete_many({"_id": {"$in": names}}, session=unit.session)
    for row in entering:
        unit[PARTITIONS].replace_one({"_id": row["_id"]}, row, upsert=True, session=unit.session)
    partitions.raise_version(unit)
    facts = {"migration": held.migration.number, "messages": total(entering)}
    events.append(unit, position, "layout.switched", jobId=held.job_id, **facts)


def finish(held: Held) -> Iterator[Work]:
    """Remove the former layout for good. There is no way back from the first moment on."""
    if held.migration.phase == Phase.CUT_OVER:
        held.update(step_to(Phase.FINISHING))
    yield from _swept(held)
    yield from _removed(held)
    held.update(step_to(Phase.FINISHED))
    yield Work(note="The former layout is removed.")


def roll_back(held: Held) -> Iterator[Work]:
    """Back to the former layout, with every message that came in meanwhile; the new one is removed."""
    if held.migration.is_cut_over:
        yield from _catch_up(held)
        _, other = live_and_other(held.migration)
        held.update({"$set": {"parallel": other.rows()}})
        yield from _switch(held, Phase.ROLLING_BACK, cut_over=False)
    elif held.migration.phase != Phase.ROLLING_BACK:
        held.update(step_to(Phase.ROLLING_BACK))
    yield from _swept(held)
    yield from _removed(held)
    held.update(step_to(Phase.ROLLED_BACK))
    yield Work(note="The archive has its former layout; what was copied is removed.")


def _removed(held: Held) -> Iterator[Work]:
    """Remove the side that is not live. What tells of it goes last."""
    _, other = live_and_other(held.migration)
    if isinstance(other, HotSide):
        for name in other.collections:
            _drop_collection(name)
            yield Work(note=f"Dropped {name}.")
        return
    if isinstance(other, TieredSide):
        yield from _removed_batches(held, other)


def _removed_batches(held: Held, other: TieredSide) -> Iterator[Work]:
    for batch in other.batches():
        if tier_of(batch["partition"]) == Tier.FROZEN:
            remove_copy(stray_of(batch))
    with connection.translated():
        names = connection.database().list_collection_names(
            filter={"type": {"$in": ["collection", "timeseries"]}}
        )
    for name in names:
        if name == WARM_MESSAGES or tier_of(name) == Tier.COLD:
            _drop_collection(name)
            yield Work(note=f"Dropped {name}.")
    for batch in other.batches():
        held.run(lambda unit, number=batch["_id"]: other.let_go(unit, number), {"$set": {"checkpoint": {}}})  # type: ignore[misc]
        yield Work(int(batch["count"]))


def _drop_collection(name: str) -> None:
    known = {each.name for each in partitions.find_partitions() if each.count != 0}
    if name in known or name == MESSAGES:
        raise AssertionError(f"{name} is live")
    with connection.translated():
        connection.database().drop_collection(name)
