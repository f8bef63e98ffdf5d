"""Move messages down by their age: hot to warm, warm to cold, cold to frozen, as the policies say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from archive.move_plans import PlannedMove, plan_moves
from archive.partitions import Tier, tier_of
from archive.retention import Action, plan_retention
from maintenance.models import StoragePolicy
from maintenance.moves import ages_of_policies, move_all, plan_of, refuse_rolling, unfinished_jobs
from maintenance.steps.base import Advance, BadParameter, Holder, Plan, Step, flag, only

SOURCES = (Tier.HOT, Tier.WARM, Tier.COLD)
DAYS_A_MONTH = 31


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``now`` (false unless given) ignores the quiet hours; ``tiers`` (all unless given) are those that
    messages leave. Raises Conflict where the layout has no tiers."""
    only(asked, "now", "tiers")
    refuse_rolling()
    return {"now": flag(asked, "now"), "tiers": _tiers(asked.get("tiers") or list(SOURCES))}


def _tiers(given: Any) -> list[str]:
    names = given.replace(",", " ").split() if isinstance(given, str) else given
    if not isinstance(names, list):
        raise BadParameter("tiers", "it is no list.", hint='Send ["hot"].')
    for name in names:
        if name not in SOURCES:
            hint = f"Messages leave: {', '.join(SOURCES)}."
            raise BadParameter("tiers", f"nothing leaves {str(name)[:60]!r}.", hint=hint, code="unknown_tier")
    return [str(each) for each in SOURCES if each in names]


def plan(parameters: dict[str, Any]) -> Plan:
    """What is old enough now, one row for each partition that it leaves. Raises ImpossiblePolicy."""
    now = timezone.now()
    retained = _retained(now)
    sources = {each.source for each in retained}
    by_age = plan_moves(ages_of_policies(), now, unfinished_jobs())
    found = [*retained, *(each for each in by_age if each.source not in sources)]
    moves = [each for each in found if tier_of(each.source) in parameters["tiers"]]
    return plan_of(moves, "Nothing is old enough to move.")


def _retained(now: datetime) -> list[PlannedMove]:
    """Sealed months that the storage policy has offloaded as a whole."""
    policy = StoragePolicy.current()
    older = now - timedelta(days=DAYS_A_MONTH * policy.sealed_retention_months)
    return [
        PlannedMove(each.partition, Tier.FROZEN, messages=each.messages, bytes=each.bytes)
        for each in plan_retention(policy.sealed_retention, older)
        if each.action == Action.OFFLOAD
    ]


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Move batch by batch, until the quiet hours are over. What a dead mover left is mended first."""
    yield from move_all(plan, holder, _quiet(parameters))


def _quiet(parameters: dict[str, Any]) -> Callable[[], str]:
    hours = StoragePolicy.current().quiet_hours

    def why_not() -> str:
        is_quiet = parameters["now"] or hours.hold_at(timezone.now())
        return "" if is_quiet else f"It is not within the quiet hours, {hours}."

    return why_not


STEP = Step(
    name="tier",
    label="Move messages down",
    command="migrate_tiers",
    about="Move messages to cheaper places by their age, as the policies say.",
    understand=understand,
    plan=plan,
    run=run,
    asks={
        "now": "Now, whatever the quiet hours are.",
        "tiers": "Only what leaves these tiers: hot, warm, cold, with commas between them. Empty: all.",
    },
    ticks=("now",),
)
