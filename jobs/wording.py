"""Figures as people read them. Pure; job.js words them the same way."""

import re
from datetime import timedelta


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
