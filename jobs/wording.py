"""Figures as people read them. Pure; job.js words them the same way."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

VALUE_MAX = 200


def human_bytes(size: float | None) -> str:
    """``1536`` -> ``1.5 KiB``; "" for None."""
    if size is None:
        return ""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def human_count(number: float | None) -> str:
    """``1234567`` -> ``1,234,567``; "" for None."""
    return "" if number is None else f"{number:,.0f}"


def human_seconds(duration: timedelta | float | None) -> str:
    """``3725`` -> ``1 h 2 min``; ``65`` -> ``1 min 5 s``; ``0.5`` -> ``under 1 s``; "" for None."""
    if duration is None:
        return ""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if seconds < 1:
        return "under 1 s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def count_label(name: str) -> str:
    """``keptBoth`` and ``kept_both`` -> ``Kept both``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")
    return spaced.lower().capitalize()


def counts_in_words(counts: Mapping[str, int]) -> str:
    """``{"seen": 9, "inserted": 4, "rejected": 5}`` -> ``4 new, 5 rejected``.

    What came of the records, not how many there were; zeros are left out, but for the new ones.
    """
    told = (
        f"{human_count(number)} {'new' if name == 'inserted' else count_label(name).lower()}"
        for name, number in counts.items()
        if name != "seen" and (number or name == "inserted")
    )
    return ", ".join(told)


def parameters_in_words(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """``{"filter": {"since": "2026-01-01", "models": []}}`` -> ``[("Since", "2026-01-01")]``.

    Nested names stand beside the others; what is empty or off is left out, long values are cut.
    """
    return list(_parameters(parameters))


def _parameters(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _parameters(value)
        elif value is not False and value not in (None, "", []):
            yield count_label(name), _value(value)


def _value(value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, int):
        return human_count(value)
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        return f"{human_count(len(value))}, which the API tells"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= VALUE_MAX else f"{text[: VALUE_MAX - 1]}…"
