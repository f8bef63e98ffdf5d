"""How much room everything takes, and when the disk will be full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.wording import human_bytes, human_count
from maintenance.commands import MaintenanceCommand
from maintenance.models import MaintenanceJob
from maintenance.storage.report import storage_report


class Command(MaintenanceCommand):
    """``manage.py storage_report --json``"""

    help = "Tell the sizes of tiers and partitions, their growth, and keep today's figures."
    step = "measure"

    def result(self, job: MaintenanceJob) -> dict[str, Any]:
        """Everything that the storage page shows."""
        return {**super().result(job), "report": storage_report()}

    def tell(self, answer: dict[str, Any]) -> None:
        """The report as a table, and a line on the disk."""
        for line in _lines(answer["report"]):
            self.stdout.write(line)
        if answer["dryRun"]:
            self.stdout.write("Today's figures were not kept.")


def _lines(report: dict[str, Any]) -> Iterator[str]:
    yield f"{'':34}{'messages':>14}{'on disk':>12}{'indexes':>12}{'free':>12}{'ratio':>8}"
    for row in report["tiers"]:
        yield _line(row["tier"], row)
    yield ""
    for row in (*report["partitions"], *report["collections"]):
        yield _line(row["name"], row)
    yield ""
    yield disk_line(report["disk"])


def _line(name: str, row: dict[str, Any]) -> str:
    sizes = "".join(f"{human_bytes(row[each]):>12}" for each in ("storedBytes", "indexBytes", "freeBytes"))
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    return f"{name:34}{human_count(row['documents']):>14}{sizes}{ratio:>8}"


def disk_line(disk: dict[str, Any]) -> str:
    """``The disk is 71 % full; at 1.2 GiB a day it is full on 2027-03-01 (2027-02-10 to 2027-04-02).``"""
    begun = f"The disk is {disk['percent']:.0f} % full"
    full, growth = disk["full"], disk["growth"]
    if growth is None:
        return f"{begun}; its growth is told from three days' figures on."
    if full is None:
        return f"{begun}, and does not grow."
    until = full["latest"] or "never"
    pace = human_bytes(growth["bytesPerDay"])
    return f"{begun}; at {pace} a day it is full on {full['day']} ({full['earliest']} to {until})."
