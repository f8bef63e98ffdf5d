"""Numbers, money and times as people read them."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def number(value: int | None) -> str:
    """``1234567`` -> ``1,234,567``"""
    return "" if value is None else f"{value:,}"


@register.filter
def short_number(value: int | None) -> str:
    """``1234567`` -> ``1.2 M``; small numbers stay exact."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**4, "k")):
        if value is not None and abs(value) >= size:
            return f"{value / (1000 if unit == 'k' else size):.1f} {unit}"
    return number(value)


@register.filter
def money(value: Decimal | None) -> str:
    """US dollars; an amount under a cent says so instead of becoming nothing."""
    if value is None:
        return ""
    if 0 < value < Decimal("0.01"):
        return "< $0.01"
    return f"${value:,.2f}"


@register.filter
def size(value: int | None) -> str:
    """Bytes in units of 1024: ``1536`` -> ``1.5 KiB``"""
    amount = float(value or 0)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


@register.filter
def short_model(name: str) -> str:
    """A model's name without what every name repeats: ``claude-opus-4-5-20251101`` -> ``opus-4-5``"""
    return re.sub(r"^claude-|-20\d{6}$", "", name) or name


@register.simple_tag
def lasted(started: datetime | None, ended: datetime | None) -> str:
    """The time between two moments in its two largest units: ``2 h 5 min``"""
    if started is None or ended is None or ended < started:
        return ""
    seconds = int((ended - started).total_seconds())
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    for unit, length in units:
        amount, seconds = divmod(seconds, length)
        parts.append((amount, unit))
    first = next((i for i, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount) or "0 s"


FORMATS = {"": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "clock": "%H:%M:%S"}


@register.filter
def moment(value: datetime | None, how: str = "") -> SafeString | str:
    """A time in UTC that local-time.js makes local; ``how`` is day, clock or both."""
    if value is None:
        return ""
    utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" data-local="{}" title="{} UTC">{}{}</time>',
        utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        how,
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        utc.strftime(FORMATS[how]),
        "" if how == "day" else " UTC",
    )
