"""Migrate the layout: from one big collection, or monthly ones, to tiers, and back; an action at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings

from archive import layout_work, layouts
from archive.errors import Conflict
from archive.layout_legacy import find_legacy
from archive.layout_sides import total
from archive.layout_work import Work
from archive.layouts import Held, Layout
from jobs.wording import human_count
from maintenance.models import TierPolicy
from maintenance.steps.base import Advance, BadParameter, Holder, Plan, Step, only

ACTIONS: dict[str, Callable[[Held], Iterator[Work]]] = {
    "dual-write": layout_work.dual_write,
    "backfill": layout_work.backfill,
    "validate": layout_work.validate,
    "cut-over": layout_work.cut_over,
    "finish": layout_work.finish,
    "roll-back": layout_work.roll_back,
}
ABOUT = {
    "create": "Make everything that the {to} layout needs, empty, beside the live one.",
    "dual-write": "Seal what is open: from then on every new message is in both layouts.",
    "backfill": "Copy what the {to} layout lacks, batch by batch; each is read back.",
    "validate": "Compare counts and digests by month, and the answers to real queries, of both layouts.",
    "cut-over": "Have readers see the {to} layout, in one transaction.",
    "finish": "Remove the former layout for good. There is no way back after it.",
    "roll-back": "Go back to the former layout, and remove what was copied.",
}
MOST_SHOWN = 20


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``action`` (one of ``layouts.ACTIONS``), and for create ``to`` (tiered unless given)."""
    only(asked, "action", "to")
    action = asked.get("action", "")
    if action not in layouts.ACTIONS:
        hint = f"Actions: {', '.join(layouts.ACTIONS)}."
        raise BadParameter("action", f"{str(action)[:60]!r} is no action.", hint=hint)
    if action != "create":
        if "to" in asked:
            raise BadParameter("to", "only create takes it: the others go on with what was created.")
        return {"action": action}
    to = asked.get("to") or Layout.TIERED
    if to not in list(Layout):
        raise BadParameter(
            "to",
            f"{str(to)[:60]!r} is no layout.",
            hint=f"Layouts: {', '.join(Layout)}.",
            code="unknown_layout",
        )
    return {"action": action, "to": str(to)}


def plan(parameters: dict[str, Any]) -> Plan:
    """The action, if it may come now. Raises WrongPhase naming what comes instead."""
    action = parameters["action"]
    if action == "create":
        return _plan_create(Layout(parameters["to"]))
    migration = layouts.require(action)
    live, other = layout_work.live_and_other(migration)
    messages = total(live.live_rows())
    item = {
        "action": action,
        "migration": migration.number,
        "about": ABOUT[action].format(to=migration.to),
        "live": list(live.collections),
        "other": list(other.collections),
    }
    totals = {"messages": 2 * messages} if action == "validate" else {}
    summary = f"Migration {migration.number} to the {migration.to} layout, {action}: {item['about']}"
    return Plan(summary, [item], totals)


def _plan_create(to: Layout) -> Plan:
    number = layouts.check_can_create()
    layout_work.check_can_migrate(to)
    adopted = find_legacy() if to == Layout.TIERED else []
    about = ABOUT["create"].format(to=to)
    more = f" Adopts {', '.join(adopted)}." if adopted else ""
    item = {"action": "create", "migration": number, "about": about, "adopts": adopted, "to": str(to)}
    return Plan(f"Migration {number} to the {to} layout, create: {about}{more}", [item])


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Do the action, or go on with it."""
    action = parameters["action"]
    if action == "create":
        works = layout_work.create(Layout(parameters["to"]), _cold_after_days())
        yield from _advances(works, action)
        return
    migration = layouts.require(action)
    if action == "finish":
        _check_setting(migration.to)
    held = layouts.take(migration, holder.job_id, holder.token)
    try:
        yield from _advances(ACTIONS[action](held), action)
    finally:
        held.close()


def _cold_after_days() -> int:
    """By the policy of every project that has none of its own."""
    policy = TierPolicy.objects.filter(project="").first() or TierPolicy()
    return policy.cold_after_days


def _advances(works: Iterator[Work], action: str) -> Iterator[Advance]:
    for work in works:
        yield Advance(
            records=work.records, bytes=work.bytes, phase=action, note=work.note, counts=_counts(work)
        )
        for each in work.differences[:MOST_SHOWN]:
            yield Advance(note=f"{each.check}: {each.message}", level="warning")
        if work.differences:
            told = [each.to_dict() for each in work.differences]
            yield Advance(problems=len(told), result={"differences": told})
    last = layouts.find_last()
    yield Advance(result={"migration": last.told() if last else None})


def _counts(work: Work) -> dict[str, int]:
    return {"messages": work.records} if work.records else {}


def _check_setting(to: Layout) -> None:
    """Without it the nightly move would undo what was done, or never do its work."""
    if to != settings.CLAUDELENS_LAYOUT:
        raise Conflict(
            f"The archive has the {to} layout, and CLAUDELENS_LAYOUT is {settings.CLAUDELENS_LAYOUT}.",
            hint=f"Set CLAUDELENS_LAYOUT={to} for every process, then finish.",
            code="layout_setting",
        )


def status() -> dict[str, Any]:
    """Where the last migration stands, and which layout the settings ask for."""
    last = layouts.find_last()
    return {"layout": settings.CLAUDELENS_LAYOUT, "migration": last.told() if last else None}


def told_status() -> Iterator[str]:
    """The same in sentences."""
    yield f"CLAUDELENS_LAYOUT is {settings.CLAUDELENS_LAYOUT}."
    last = layouts.find_last()
    if last is None:
        yield "The layout was never migrated. To begin: manage.py migrate_layout create"
        return
    yield f"Migration {last.number} to the {last.to} layout: {last.phase}."
    for each in last.told()["history"]:
        yield f"  {each['at'][:19]}  {each['phase']}"
    validated = last.document["validated"]
    if validated:
        count = len(validated["differences"])
        yield f"Last validated: {human_count(validated['messages'])} messages, {count} differences."
    if following := layouts.NEXT.get(last.phase):
        back = " To go back: manage.py migrate_layout roll-back" if last.told()["canRollBack"] else ""
        yield f"Next: manage.py migrate_layout {following}{back}"


STEP = Step(
    name="migrate",
    label="Migrate the layout",
    command="migrate_layout",
    about="Bring an archive of one big collection, or of monthly ones, into tiers, phase by phase, or back.",
    understand=understand,
    plan=plan,
    run=run,
    asks={
        "action": "In this order; roll-back at any time before finish.",
        "to": "For create: the layout that it shall be.",
    },
    choices={"action": tuple(layouts.ACTIONS), "to": ("tiered", "rolling")},
)
