"""Four hundred days pass through all tiers by the nightly jobs alone, and every answer stays what it has to be."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from archive import object_store, partitions, reader
from archive.aggregating import aggregate
from archive.filters import MessageFilter
from archive.indexes import ensure_indexes
from archive.object_store import FolderStore
from archive.partitions import month_of
from archive.reducing import Count
from exports.models import ExportJob
from exports.services import create_export, run_export
from imports.models import ImportJob
from imports.server_files import find_sources
from imports.services import create_import, run_import
from maintenance import services
from maintenance.models import MaintenanceJob, TierPolicy
from tests.maintenance import bells
from tests.maintenance.diary import BEGIN, DAY, MODELS, Diary, Line, nights

DAYS, EVERY, LOOK_EVERY = 400, 10, 5
STEPS = ("rotate", "tier", "verify")
HOURS = (0, 1, 5)
TIERS = ("hot", "sealed", "warm", "cold", "frozen")


class Machine:
    """The archive, the person who writes, and the clock."""

    def __init__(self, owner: Any, folder: Path, clock: Any) -> None:
        self.owner, self.clock = owner, clock
        self.diary = Diary(folder / "home")
        self.day = 0
        self.seen: set[str] = set()

    def live_until(self, day: int) -> None:
        """Days of work, an import in the last evening, and the night after it."""
        for each in range(self.day, day):
            self.diary.write_day(each)
        self.day = day
        self.clock.move_to(BEGIN + day * DAY - timedelta(hours=1))
        self.import_all()
        for hour in HOURS:
            moment = BEGIN + day * DAY + timedelta(hours=hour)
            self.clock.move_to(moment)
            for job in bells.ring(moment, STEPS):
                assert (job.state, job.counts.get("problems", 0)) == ("completed", 0), (self.day, job.error_message, job.result)

    def import_all(self) -> dict[str, int]:
        job = create_import(self.owner, sources=find_sources([str(self.diary.home)]))
        run_import(job)
        job = ImportJob.objects.get(pk=job.pk)
        assert job.state == "completed", (job.state, job.error_message, job.traceback)
        return dict(job.counts)

    def export(self, name: str, **asked: object) -> bytes:
        job = create_export(self.owner, format=name, asked=asked)
        run_export(job)
        job = ExportJob.objects.get(pk=job.pk)
        assert job.state == "completed", (job.state, job.error_message, job.traceback)
        return job.artifact.path.read_bytes()

    def places(self) -> dict[str, int]:
        """How many messages lie where."""
        held = dict.fromkeys(TIERS, 0)
        for each in partitions.find_partitions():
            is_sealed = each.tier == "hot" and each.count is not None
            held["sealed" if is_sealed else str(each.tier)] += each.count or 0
        held["hot"] = self.db.messages_current.count_documents({})
        self.seen |= {tier for tier, count in held.items() if count}
        return held

    @property
    def db(self) -> Any:
        from archive import connection

        return connection.database()


@pytest.fixture
def machine(archive_db: Any, people: Any, tmp_path: Path, settings: Any) -> Iterator[Machine]:
    settings.CLAUDELENS_ARTIFACT_DIR = tmp_path / "artifacts"
    settings.CLAUDELENS_ARTIFACT_DIR.mkdir()
    ensure_indexes()
    object_store.configure(lambda: FolderStore(tmp_path / "deep"))
    TierPolicy(warm_after_days=7, cold_after_days=90, frozen_after_days=180).save()
    with time_machine.travel(BEGIN) as clock:
        yield Machine(people.root, tmp_path, clock)


def questions(now: datetime) -> dict[str, tuple[MessageFilter, Callable[[Line], bool]]]:
    """What is asked of the archive, and the same asked of the diary."""

    def during(since: datetime, until: datetime) -> tuple[MessageFilter, Callable[[Line], bool]]:
        return MessageFilter(since=since, until=until), lambda each: each.at is not None and since <= each.at < until

    session = f"{(now - BEGIN).days // 18:08}-1111-4111-8111-111111111111"
    recent = now - 100 * DAY
    return {
        "all": (MessageFilter(), lambda each: True),
        "a year of it": during(BEGIN + 20 * DAY, BEGIN + 385 * DAY),
        "over warm and cold": during(now - 95 * DAY, now - 80 * DAY),
        "over cold and frozen": during(now - 190 * DAY, now - 170 * DAY),
        "over hot and warm": during(now - 20 * DAY, now),
        "a session": (MessageFilter(session_ids=(session,)), lambda each: each.session == session),
        "a type": (MessageFilter(types=("assistant",)), lambda each: each.type == "assistant"),
        "models": (MessageFilter(models=MODELS[:2]), lambda each: each.model in MODELS[:2]),
        "text": (MessageFilter(text="ĈEVALOJ"), lambda each: "ĉevaloj" in each.text),
        "text of a model": (
            MessageFilter(text="katoj", models=MODELS[:1], since=recent),
            lambda each: "Katoj" in each.text and each.model == MODELS[0] and each.at is not None and each.at >= recent,
        ),
    }


def check_counts(machine: Machine) -> None:
    now = BEGIN + machine.day * DAY
    for name, (asked, wanted) in questions(now).items():
        assert reader.count_messages(asked) == machine.diary.count(wanted), (name, machine.day)
    held = machine.places()
    assert sum(held.values()) == len(machine.diary.lines), held


def check_search(machine: Machine) -> None:
    now = BEGIN + machine.day * DAY
    for name in ("over warm and cold", "over cold and frozen", "text", "text of a model"):
        asked, wanted = questions(now)[name]
        found = [(each.get("timestamp"), each.get("uuid") or "") for each in pages(asked)]
        expected = [(each.at, each.uuid) for each in machine.diary.lines if wanted(each)]
        assert found == sorted(expected, key=lambda each: (each[0] is not None, *each)), (name, machine.day)
    rows = aggregate(MessageFilter(), ["month", "model"], {"n": Count()}).rows
    assert {(row["month"], row["model"]): row["n"] for row in rows} == machine.diary.by_month_and_model()


def pages(asked: MessageFilter) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        page = reader.page_messages(asked, cursor=cursor, limit=50)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def check_exports(machine: Machine) -> None:
    lines = machine.diary.lines
    found = [json.loads(line) for line in machine.export("jsonl").splitlines()]
    assert sorted(each.get("uuid") or "" for each in found) == sorted(each.uuid for each in lines)
    some = machine.export("jsonl", text="pluvo", type="assistant").splitlines()
    expected = {each.uuid for each in lines if "pluvo" in each.text and each.type == "assistant"}
    assert len(some) == len(expected)
    assert {json.loads(line)["uuid"] for line in some} == expected
    with zipfile.ZipFile(io.BytesIO(machine.export("claude-code"))) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == machine.diary.as_files()


def check_deeply(machine: Machine) -> None:
    job = services.create_job("verify", {"deep": True})
    services.run_maintenance(job)
    job = MaintenanceJob.objects.get(pk=job.pk)
    assert (job.state, job.result["found"]) == ("completed", {}), job.result["findings"]
    assert job.result["looked"]["ids"] == len(machine.diary.lines)


def check_all(machine: Machine) -> None:
    check_counts(machine)
    check_search(machine)
    check_exports(machine)
    check_deeply(machine)


@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_400_days_pass_through_all_tiers_by_the_nightly_jobs_alone(machine: Machine) -> None:
    for number, day in enumerate(nights(DAYS, EVERY), 1):
        machine.live_until(day)
        check_counts(machine)
        if number % LOOK_EVERY == 0:
            check_all(machine)
    check_all(machine)
    check_end(machine)


def check_all_is_down(machine: Machine) -> None:
    """Nothing lies higher than its age says, and nothing is in motion."""
    batches, now = machine.db.tier_batches, BEGIN + machine.day * DAY
    assert batches.count_documents({"$or": [{"busy": True}, {"move": {"$ne": None}}, {"sweep.0": {"$exists": True}}]}) == 0
    assert batches.count_documents({"partition": "messages_timeseries", "until": {"$lt": now - 90 * DAY}}) == 0
    cold = {each["month"] for each in batches.find({"partition": {"$regex": "^messages_archive_"}})}
    assert min(cold) >= month_of(now - 180 * DAY), cold


def check_end(machine: Machine) -> None:
    check_all_is_down(machine)
    assert machine.seen == set(TIERS)
    assert all(machine.places().values()), machine.places()
    assert machine.db.events.count_documents({"kind": "messages.rotated"}) == 13
    stored = {str(path.relative_to(path.parents[2])) for path in machine.diary.home.parent.joinpath("deep").rglob("*.zst")}
    assert stored == set(machine.db.tier_batches.distinct("object", {"partition": {"$regex": "^frozen_"}}))
    machine.diary.write_everything()
    counts = machine.import_all()
    assert (counts["seen"], counts["duplicates"], counts["inserted"]) == (len(machine.diary.lines), counts["seen"], 0), counts
    check_counts(machine)
