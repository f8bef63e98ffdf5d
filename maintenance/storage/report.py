"""Everything that the storage page shows, as plain values: for the page, the API and the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.conf import settings

from archive import compaction, storage_figures
from archive.storage_figures import Figures, total
from maintenance import overview, previews
from maintenance.indexes import services
from maintenance.models import MaintenanceJob
from maintenance.storage.forecasting import Day, Outlook, forecast_as_dict, growth_as_dict, outlook

DAYS = 90
SHAPE_DAYS = 30
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """What was read for one report."""

    figures: Figures
    days: Sequence[Day]
    outlook: Outlook


def read(days: int = DAYS) -> Read:
    """The figures of this moment, and those kept of the last days. Raises ``Unavailable``."""
    figures = storage_figures.measure()
    kept = [Day.of(each) for each in storage_figures.kept(days)]
    today = figures.at.astimezone(UTC).date()
    pause = settings.CLAUDELENS_DISK_PAUSE_PERCENT
    return Read(figures, kept, outlook(kept, figures.disk, today, pause))


def storage_report(days: int = DAYS) -> Row:
    """The report as JSON values. Reads only. Raises ``Unavailable``."""
    return told(read(days))


def told(found: Read) -> Row:
    """What was read, and what the other parts of maintenance know, as JSON values."""
    figures = found.figures
    return {
        "at": figures.at.isoformat(),
        "disk": _disk(found),
        "totals": _totals(figures),
        "tiers": tier_rows(found),
        "partitions": [each.to_dict() for each in figures.partitions],
        "collections": [each.to_dict() for each in figures.others],
        "growth": _growth(found),
        "compactable": [
            {"collection": each.name, "storedBytes": each.stored, "freeBytes": each.free}
            for each in compaction.candidates(figures=figures)
        ],
        "indexes": services.list_indexes(),
        "queries": services.list_shapes(SHAPE_DAYS),
        "advice": services.list_advice("open"),
        "lastNight": [_job(job) for job in overview.last_night()],
        "tonight": _tonight(),
    }


def _disk(found: Read) -> Row:
    disk = found.figures.disk
    return {
        "totalBytes": disk.total,
        "usedBytes": disk.used,
        "percent": round(disk.percent, 1),
        "pausePercent": settings.CLAUDELENS_DISK_PAUSE_PERCENT,
        "growth": growth_as_dict(found.outlook.disk),
        "full": forecast_as_dict(found.outlook.full),
        "paused": forecast_as_dict(found.outlook.paused),
    }


def _totals(figures: Figures) -> Row:
    messages = total(figures.tiers.values())
    others = total(each.space for each in figures.others)
    return {
        "messages": messages.documents,
        "dataBytes": messages.data,
        "onDiskBytes": messages.on_disk + others.on_disk,
        "othersBytes": others.on_disk,
        "freeBytes": messages.free + others.free,
        "ratio": messages.to_dict()["ratio"],
    }


def tier_rows(found: Read) -> list[Row]:
    """Each tier with its share of messages and of bytes on the disk."""
    tiers = found.figures.tiers
    everything = total(tiers.values())
    return [
        {
            "tier": str(tier),
            **space.to_dict(),
            "onDiskBytes": space.on_disk,
            "shareOfMessages": _share(space.documents, everything.documents),
            "shareOfBytes": _share(space.on_disk, everything.on_disk),
            "growth": growth_as_dict(found.outlook.tiers[str(tier)]),
        }
        for tier, space in tiers.items()
    ]


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _growth(found: Read) -> Row:
    return {
        "archive": growth_as_dict(found.outlook.archive),
        "others": growth_as_dict(found.outlook.tiers["others"]),
        "days": [
            {
                "day": str(day.day),
                "bytes": dict(day.taken),
                "messages": dict(day.messages),
                "diskUsedBytes": day.disk.used,
                "diskTotalBytes": day.disk.total,
            }
            for day in found.days
        ],
    }


def _job(job: MaintenanceJob) -> Row:
    plan = job.stored_plan
    return {
        "id": str(job.pk),
        "step": job.step,
        "state": str(job.state),
        "plan": plan.summary if plan else None,
        "createdAt": job.created_at.isoformat(),
    }


def _tonight() -> list[Row]:
    preview = previews.tonight().text
    return [
        {
            "step": each.step.name,
            "at": each.at.isoformat(),
            "about": preview if each.step.name == "tier" else each.step.about,
        }
        for each in overview.upcoming()
    ]
