"""Offload a month to files: what is cold of it, or a sealed hot month, becomes frozen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from archive.move_plans import plan_offload
from maintenance.moves import move_all, plan_of, refuse_rolling
from maintenance.steps.base import Advance, BadParameter, Holder, Plan, Step, only


def a_month(asked: Mapping[str, Any]) -> str:
    """``month`` as names have it: 2026_03, written so or as 2026-03. Raises BadParameter."""
    given = only(asked, "month").get("month")
    found = re.fullmatch(r"(\d{4})[_-](0[1-9]|1[0-2])", given.strip()) if isinstance(given, str) else None
    if found is None:
        told = "it is missing." if given in (None, "") else f"{str(given)[:60]!r} is no month."
        raise BadParameter("month", told, hint="Give one such as 2026_03.")
    return f"{found[1]}_{found[2]}"


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``month``. Raises Conflict where the layout has no tiers."""
    month = a_month(asked)
    refuse_rolling()
    return {"month": month}


def plan(parameters: dict[str, Any]) -> Plan:
    """The partitions that would go to files."""
    month = parameters["month"]
    return plan_of(plan_offload(month), f"There is nothing of {month} that could be offloaded.")


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Batch by batch; each object is read back before its messages are removed from the database."""
    yield from move_all(plan, holder)


STEP = Step(
    name="offload",
    label="Offload a month to files",
    command="offload_archive",
    about="Put the cold messages of a month into files, checked before anything is dropped.",
    understand=understand,
    plan=plan,
    run=run,
    asks={"month": "Such as 2026_03."},
)
