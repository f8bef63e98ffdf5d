"""Restore a month: what is frozen of it becomes cold again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archive.move_plans import plan_restore
from maintenance.moves import move_all, plan_of
from maintenance.steps.base import Advance, Holder, Plan, Step
from maintenance.steps.offload import a_month


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``month``."""
    return {"month": a_month(asked)}


def plan(parameters: dict[str, Any]) -> Plan:
    """The files that would come back."""
    month = parameters["month"]
    return plan_of(plan_restore(month), f"Nothing of {month} is frozen.")


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Batch by batch; a file is deleted when its messages are back."""
    yield from move_all(plan, holder)


STEP = Step(
    name="restore",
    label="Restore a month from files",
    command="restore_archive",
    about="Bring the frozen messages of a month back into the database.",
    understand=understand,
    plan=plan,
    run=run,
    asks={"month": "Such as 2026_03."},
)
