"""The rows of a plan as a table that people read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.wording import count_label, human_bytes, human_count
from maintenance.steps.base import Plan

LONGEST = 300
TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[\d:.]*(?:\+00:00|Z)")


def plan_shown(plan: Plan | None, most: int) -> dict[str, Any]:
    """What a template needs to show the plan and its first rows."""
    if plan is None:
        return {"plan": None}
    items = plan.items[:most]
    columns = item_columns(items)
    return {
        "plan": plan,
        "totals": [(count_label(name), shown(name, value)) for name, value in plan.totals.items()],
        "columns": [(label, all(is_number(item.get(name, 0)) for item in items)) for name, label in columns],
        "items": item_rows(items, columns),
        "more_items": len(plan.items) - len(items),
    }


def item_columns(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The names of everything that the rows have, in the order in which they come, each with its heading.

    What is empty in all of them is left out, and so is what only programs read (objects in the row).
    """
    names = dict.fromkeys(
        name
        for item in items
        for name, value in item.items()
        if value not in (None, [], "") and not isinstance(value, Mapping)
    )
    return [(name, count_label(name)) for name in names]


def item_rows(
    items: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]]
) -> list[list[tuple[str, str, bool]]]:
    """Each row as (heading, text, is a number), one for each column."""
    return [
        [(label, shown(name, item.get(name)), is_number(item.get(name))) for name, label in columns]
        for item in items
    ]


def is_number(value: object) -> bool:
    """Whether it belongs on the right."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def shown(name: str, value: object) -> str:
    """``shown("bytes", 1536)`` -> ``1.5 KiB``; times are told to the minute, lists with commas."""
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return human_bytes(value) if name.lower().endswith("bytes") else human_count(value)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if told := TIME.fullmatch(text):
        return f"{told[1]} {told[2]} UTC"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
