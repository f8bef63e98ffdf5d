"""What a person may ask an export for, checked and made exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from archive.filters import COSTS, TIMES, MessageFilter
from exports.periods import CALENDAR, is_period, range_of
from exports.reading import (
    BadFilter,
    in_utc,
    one_of,
    read_cost,
    read_moment,
    read_text,
    read_texts,
    read_zone,
    shown,
)

__all__ = [
    "FIELDS",
    "BadFilter",
    "asked_of",
    "check_filter",
    "read_text",
    "read_texts",
    "resolve",
]

SUBAGENTS = {"": None, "yes": None, "no": False, "only": True}
RELATIVE = ("period", "timezone")
"""What is kept as it was asked for, and has a meaning only at a moment."""


def _read_period(field: str, value: object) -> str:
    text = read_text(field, value).lower()
    if text and not is_period(text):
        known = f"{', '.join(CALENDAR)}, or a number of hours, days or weeks, such as 12h, 30d, 4w."
        raise BadFilter(field, f"{shown(text)} is not a period.", hint=f"Periods: {known}")
    return text


def _read_timezone(field: str, value: object) -> str:
    return read_zone(field, value) if read_text(field, value) else ""


def _read_subagents(field: str, value: object) -> bool | None:
    return SUBAGENTS[one_of(*filter(None, SUBAGENTS))(field, value)]


FIELDS: dict[str, tuple[str, Callable[[str, object], Any]]] = {
    "project": ("project_ids", read_texts),
    "session": ("session_ids", read_texts),
    "tag": ("tags", read_texts),
    "source": ("sources", read_texts),
    "type": ("types", read_texts),
    "role": ("roles", read_texts),
    "model": ("models", read_texts),
    "tool": ("tools", read_texts),
    "branch": ("branches", read_texts),
    "since": ("since", read_moment),
    "until": ("until", read_moment),
    "period": ("period", _read_period),
    "timezone": ("timezone", _read_timezone),
    "text": ("text", read_text),
    "minCost": ("min_cost", read_cost),
    "maxCost": ("max_cost", read_cost),
    "subagents": ("subagents", _read_subagents),
}
"""What a person writes -> the part of a stored filter it becomes, and how it is read."""


def check_filter(asked: Mapping[str, object]) -> dict[str, Any]:
    """The filter that was asked for, exact, as JSON values that a job stores and ``resolve`` takes. A period
    stays a period. ``since`` is in it, ``until`` is not; nothing means all.

    Raises BadFilter naming the field: unknown, of the wrong type, or impossible.
    """
    parts: dict[str, Any] = {}
    for field, value in asked.items():
        if field not in FIELDS:
            raise BadFilter(
                str(field)[:60], "there is no such filter.", hint=f"Filters: {', '.join(FIELDS)}."
            )
        name, read = FIELDS[field]
        if value is not None:
            parts[name] = read(field, value)
    relative = {name: text for name in RELATIVE if (text := parts.pop(name, ""))}
    for name in TIMES:
        if parts.get(name):
            parts[name] = in_utc(name, parts[name], _zone(relative))
    _refuse_impossible(parts, relative)
    return MessageFilter(**parts).to_dict() | relative


def _refuse_impossible(parts: Mapping[str, Any], relative: Mapping[str, str]) -> None:
    since, until = (parts.get(name) for name in TIMES)
    if "period" in relative and (since or until):
        raise BadFilter(
            "period", "it says when already.", hint="Give a period, or since and until, but not both."
        )
    if since and until and since >= until:
        raise BadFilter(
            "until",
            f"{until.isoformat()} is not after since ({since.isoformat()}).",
            hint="until is the first moment that is no longer exported: make it later than since.",
        )
    lowest, highest = (parts.get(name) for name in COSTS)
    if lowest is not None and highest is not None and lowest > highest:
        raise BadFilter("maxCost", f"{highest} is below minCost ({lowest}).", hint="Swap the two amounts.")


def _zone(stored: Mapping[str, Any]) -> tzinfo:
    name = _read_timezone("timezone", stored.get("timezone", ""))
    return ZoneInfo(name) if name else UTC


def resolve(stored: Mapping[str, Any], at: datetime) -> MessageFilter:
    """The messages that a stored filter means at the moment ``at``: always the same for the same moment.

    Raises BadInput for what ``check_filter`` would not have made.
    """
    absolute = {name: value for name, value in stored.items() if name not in RELATIVE}
    made, period = MessageFilter.from_dict(absolute), _read_period("period", stored.get("period", ""))
    if not period:
        return made
    since, until = range_of(period, at, _zone(stored))
    return replace(made, since=since, until=until)


def asked_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored filter as a person would ask for it: ``check_filter`` makes the same of it again."""
    words = {name: word for word, (name, _) in FIELDS.items()}
    asked = {words[name]: value for name, value in stored.items() if name in words}
    for name in TIMES:
        if name in asked:
            asked[name] = _shortest(datetime.fromisoformat(stored[name]), _zone(stored))
    if "subagents" in asked:
        asked["subagents"] = "only" if asked["subagents"] else "no"
    return {word: asked[word] for word in FIELDS if word in asked}


def _shortest(moment: datetime, zone: tzinfo) -> str:
    """The day, if the moment is its midnight in the zone."""
    try:
        local = moment.astimezone(zone)
    except OverflowError:  # it is the year 0 or 10000 there
        return moment.isoformat()
    is_first = local.time() == time() and not local.fold
    return local.date().isoformat() if is_first else local.isoformat()
