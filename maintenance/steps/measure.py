"""Measure storage: how much room everything takes, kept for each day, so that growth can be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archive import storage_figures
from archive.storage_figures import Figures
from jobs.wording import human_bytes, human_count
from maintenance.steps.base import Advance, Holder, Plan, Step, no_parameters


def plan(parameters: dict[str, Any]) -> Plan:
    """The figures of this moment, one row for each tier."""
    figures = storage_figures.measure()
    messages = sum(space.documents for space in figures.tiers.values())
    return Plan(
        _summary(figures, messages),
        [{"tier": str(tier), **space.to_dict()} for tier, space in figures.tiers.items()],
        {"messages": messages, "bytes": _on_disk(figures), "records": 1},
    )


def _on_disk(figures: Figures) -> int:
    return sum(each.space.on_disk for each in (*figures.partitions, *figures.others))


def _summary(figures: Figures, messages: int) -> str:
    taken = f"{human_count(messages)} messages; the archive takes {human_bytes(_on_disk(figures))}"
    return f"{taken}, and the disk is {figures.disk.percent:.0f} % full."


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Measure now, and keep it as today's figures. Idempotent: the last ones of a day stay."""
    figures = storage_figures.measure()
    day = storage_figures.keep(figures)
    messages = sum(space.documents for space in figures.tiers.values())
    yield Advance(
        1,
        phase="measured",
        note=f"Kept for {day}: {_summary(figures, messages)}",
        counts={"collections": len(figures.partitions) + len(figures.others)},
        result={"day": day, "messages": messages, "bytes": _on_disk(figures)},
    )


STEP = Step(
    name="measure",
    label="Measure storage",
    command="storage_report",
    about="Keep today's sizes, from which growth is told and when the disk will be full.",
    understand=no_parameters,
    plan=plan,
    run=run,
)
