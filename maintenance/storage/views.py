"""The page of storage: where messages lie, what they take, and how long the disk lasts."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from archive.storage_figures import CollectionFigures, total
from maintenance import overview, previews, verifications
from maintenance.access import superuser_required
from maintenance.indexes import tables
from maintenance.storage import charts, report
from maintenance.storage.forecasting import SERIES, TIERS
from maintenance.storage.report import Read


@require_safe
@superuser_required
def storage(request: HttpRequest) -> HttpResponse:
    """Tiers, partitions, growth with its forecast, indexes, queries, advice, and what runs at night."""
    found = report.read()
    told = report.told(found)
    context = {
        "report": told,
        "measured_at": found.figures.at,
        "bars": _bars(told["tiers"]),
        "growth": _growth(found),
        "partitions": [_row(each) for each in found.figures.partitions],
        "others": [_row(each) for each in _by_size(found)],
        "others_space": total(each.space for each in found.figures.others),
        "last_night": overview.last_night(),
        "upcoming": overview.upcoming(),
        "preview": previews.tonight(),
        "verification": verifications.latest(),
        **tables.context(),
    }
    return render(request, "maintenance/storage.html", context)


def _bars(tiers: list[dict[str, Any]]) -> list[tuple[str, list[charts.Segment]]]:
    """Two bars with one order of parts: how many messages, how many bytes."""
    ways = (("Messages", "shareOfMessages"), ("On the disk", "shareOfBytes"))
    return [(label, charts.bar({row["tier"]: row[share] for row in tiers})) for label, share in ways]


def _growth(found: Read) -> dict[str, Any]:
    today = found.figures.at.astimezone(UTC).date()
    pause = settings.CLAUDELENS_DISK_PAUSE_PERCENT
    return {
        "plot": charts.growth_plot(found.days),
        "disk": charts.disk_plot(found.days, found.figures.disk, found.outlook, today, pause),
        "outlook": found.outlook,
        "series": SERIES,
        "rows": [(day, [day.taken[name] for name in SERIES], day.disk) for day in reversed(found.days)],
        "paces": [(name, found.outlook.tiers[name]) for name in (*TIERS, "others")],
    }


def _by_size(found: Read) -> list[CollectionFigures]:
    return sorted(found.figures.others, key=lambda each: -each.space.on_disk)


def _row(each: CollectionFigures) -> dict[str, Any]:
    """One line of a table: what the catalogue says, what it takes, and how much of that lies free."""
    space = each.space
    return {
        "name": each.name,
        "partition": each.partition,
        "space": space,
        "free_percent": round(100 * space.free / space.on_disk) if space.on_disk else 0,
    }
