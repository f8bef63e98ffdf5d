"""Rotate messages: seal ``messages_current`` under the name of a month, and begin a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archive import rotation
from jobs.wording import human_bytes, human_count
from maintenance.models import StoragePolicy
from maintenance.steps.base import Advance, Holder, Plan, Step, flag, only, whole_number

MIB = 1024**2


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``always`` (false unless given) rotates whatever the size; else it has to be above ``aboveBytes``, by
    default that of the storage policy (0 there: never by size)."""
    only(asked, "always", "aboveBytes")
    above = whole_number(asked, "aboveBytes")
    if above is None:
        above = StoragePolicy.current().rotate_above_mib * MIB or None
    return {"always": flag(asked, "always"), "aboveBytes": above}


def plan(parameters: dict[str, Any]) -> Plan:
    """The partition that would be sealed, or none."""
    above = parameters["aboveBytes"]
    found = rotation.plan_rotation(0 if parameters["always"] or above is None else above)
    is_due = found.due and (parameters["always"] or above is not None or found.half_done)
    if found.half_done:
        summary = f"A rotation that was begun is finished: {found.name}."
    elif is_due:
        summary = f"{_amount(found)} are sealed as {found.name}."
    elif not found.messages:
        summary = "Nothing to rotate: there are no messages in messages_current."
    else:
        limit = f"above {human_bytes(above)}" if above is not None else "every month only"
        summary = f"Nothing to rotate yet: messages_current has {_amount(found)} and is rotated {limit}."
    if not is_due:
        return Plan(summary)
    item = {"partition": found.name, "messages": found.messages, "bytes": found.bytes}
    return Plan(summary, [item], {"messages": found.messages, "bytes": found.bytes})


def _amount(found: rotation.RotationPlan) -> str:
    return f"{human_count(found.messages)} messages, {human_bytes(found.bytes)},"


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Seal it. A rotation that another job has begun is finished; running it again seals once."""
    for item in plan.items:
        for done in rotation.rotate(holder.job_id, holder.token, item["partition"]):
            yield _advance(done)


def _advance(done: rotation.Rotation) -> Advance:
    if done.why:
        return Advance(phase=f"waiting: {done.why}")
    if not done.name:
        return Advance(note="There was nothing to seal.")
    count = done.holding.count
    return Advance(
        records=count,
        bytes=done.holding.bytes,
        note=f"{done.name} is sealed with {human_count(count)} messages.",
        counts={"sealed": count},
        result={"partition": done.name, "messages": count, "bytes": done.holding.bytes},
    )


STEP = Step(
    name="rotate",
    label="Rotate messages",
    command="rotate_messages",
    about="Seal the collection of new messages under the name of its month, and begin a new one.",
    understand=understand,
    plan=plan,
    run=run,
    asks={
        "always": "Rotate whatever the size.",
        "aboveBytes": "Rotate when it is larger, in bytes. Empty: as the storage policy says.",
    },
    ticks=("always",),
)
