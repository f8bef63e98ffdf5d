"""What the steps that move messages between tiers share: their plan, and doing it while others work, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from django.conf import settings

from archive import emptied, layouts, manifests, mover, sweeping
from archive.errors import Conflict
from archive.move_plans import Ages, PlannedMove
from archive.mover import Moved
from archive.partitions import tier_of
from jobs.models import job_models
from jobs.wording import human_bytes, human_count
from maintenance.models import TierPolicy
from maintenance.steps.base import Advance, Holder, Plan
from maintenance.throttle import Throttle

KEPT = "The rest stays where it is, until the next run."


def refuse_rolling() -> None:
    """Raise Conflict where the layout has no tiers, or is being migrated."""
    if settings.CLAUDELENS_LAYOUT == "rolling":
        raise Conflict(
            "Messages do not move: the layout is plain months (CLAUDELENS_LAYOUT=rolling).",
            hint="Run: manage.py migrate_layout create --to tiered",
            code="rolling_layout",
        )
    if migration := layouts.find_active():
        raise layouts.MigrationRunning(migration.number)


def unfinished_jobs() -> set[str]:
    """The jobs of every kind that have not ended: messages of such imports stay where they are."""
    return {str(pk) for model in job_models() for pk in model.objects.active().values_list("pk", flat=True)}


def ages_of_policies() -> list[Ages]:
    """The policies as the archive takes them, the one for every project first. Raises ImpossiblePolicy."""
    policies = {policy.project: policy for policy in TierPolicy.objects.all()}
    policies.setdefault("", TierPolicy())
    for policy in policies.values():
        policy.ages.check()
    return [
        Ages(policy.warm_after_days, policy.cold_after_days, policy.frozen_after_days, project or None)
        for project, policy in sorted(policies.items())
    ]


def plan_of(moves: Sequence[PlannedMove], nothing: str) -> Plan:
    """The plan of these moves; ``nothing`` is its sentence where there are none."""
    if not moves:
        return Plan(nothing)
    ways: dict[tuple[str, str], list[PlannedMove]] = {}
    for move in moves:
        ways.setdefault((tier_of(move.source), move.target), []).append(move)
    told = "; ".join(
        f"{human_count(sum(each.messages for each in some))} messages, "
        f"{human_bytes(sum(each.bytes for each in some))} {source} to {target}"
        for (source, target), some in ways.items()
    )
    totals = {"messages": sum(each.messages for each in moves), "bytes": sum(each.bytes for each in moves)}
    return Plan(f"{told}.", [each.to_dict() for each in moves], totals)


def move_all(plan: Plan, holder: Holder, why_not: Callable[[], str] = lambda: "") -> Iterator[Advance]:
    """Do the moves of a plan, one Advance for each batch; then drop what is empty, and write the manifests.

    ``why_not`` says before each batch why it has to stop ("": it may go on): what is left moves with the next
    run. Rests where others need the server. Raises as ``mover.move``.
    """
    throttle = Throttle()
    sweeping.recover(unfinished_jobs() - {holder.job_id})
    for item in plan.items:
        if not (why := why_not()):
            yield from _one_move(PlannedMove.from_dict(item), holder, why_not, throttle)
            why = why_not()
        if why:
            yield Advance(note=f"{why} {KEPT}", level="warning", result={"stopped": why})
            break
    for name in emptied.drop_empty_partitions():
        yield Advance(note=f"{name} was empty, and is dropped.", counts={"dropped": 1})
    manifests.write_stale()


def _one_move(
    planned: PlannedMove, holder: Holder, why_not: Callable[[], str], throttle: Throttle
) -> Iterator[Advance]:
    phase = f"{tier_of(planned.source)} to {planned.target}: {planned.source}"
    moving = mover.move([planned], holder.job_id, holder.token, unfinished_jobs())
    with closing(moving):
        began = time.monotonic()
        for done in moving:
            seconds = time.monotonic() - began
            yield _advance(done, phase)
            if why_not():
                return
            if rest := throttle.rest_after(seconds, done.messages):
                yield Advance(phase=f"making room for others: {planned.source}")
                time.sleep(rest)
            began = time.monotonic()


def _advance(done: Moved, phase: str) -> Advance:
    if done.why and not done.target:
        return Advance(phase=f"waiting: {done.why}")
    if done.why:
        return Advance(note=f"A batch of {done.source} stays: {done.why}.", counts={"left": 1})
    return Advance(done.messages, done.bytes, phase=phase, counts={"moved": done.messages, "batches": 1})
