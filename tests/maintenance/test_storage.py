"""Storage by command, page and API: one report, its growth, and compaction as a job."""

from __future__ import annotations

import io
import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.int64 import Int64
from django.core.management import CommandError, call_command
from django.test import Client

from archive import compaction, storage_figures
from archive.errors import NotFound
from archive.partitions import Partition, PartitionState, Tier
from archive.storage_figures import CollectionFigures, Disk, Figures, Space
from maintenance import services
from maintenance.models import MaintenanceJob
from maintenance.steps.base import BadParameter

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024
GIB = 1024 * MIB


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO(), verbosity=0)
    return out.getvalue()


def remember(days: int, a_day: int = GIB, disk: int = 500 * GIB) -> None:
    """So many days' figures up to today, in which everything grew by ``a_day``."""
    for back in range(days):
        used = 100 * GIB - back * a_day
        hot = CollectionFigures(
            "messages_current", Space(1_000 - back, used // 3, used // 4, used // 20), Partition("messages_current", Tier.HOT, PartitionState.OPEN)
        )
        figures = Figures(datetime.now(UTC) - timedelta(days=back), Disk(disk, used), (hot,))
        storage_figures.keep(figures)


@pytest.fixture
def holey(archive_db: Any) -> Any:
    """A sealed month of which most was moved away."""
    archive_db.partitions.insert_one({"_id": "messages_2026_01", "tier": "hot", "state": "sealed", "count": Int64(200), "bytes": Int64(800_000)})
    archive_db.messages_2026_01.insert_many([{"_id": number, "data": os.urandom(4_000)} for number in range(4_000)])
    archive_db.client.admin.command("fsync")
    archive_db.messages_2026_01.delete_many({"_id": {"$gte": 200}})
    archive_db.client.admin.command("fsync")
    yield "messages_2026_01"
    archive_db.drop_collection("messages_2026_01")


def test_storage_report_keeps_todays_figures_and_tells_everything_as_json(archive_db: Any, people: Any) -> None:
    answer = json.loads(run("storage_report", "--json"))

    assert answer["exitCode"] == 0
    report = answer["report"]
    assert [each["tier"] for each in report["tiers"]] == ["hot", "warm", "cold", "frozen"]
    assert [each["name"] for each in report["partitions"]] == ["messages_current"]
    assert {"indexes", "queries", "advice", "lastNight", "tonight", "compactable"} <= report.keys()
    [kept] = archive_db.storage_daily.find()
    assert kept["_id"] == answer["result"]["day"] == f"{datetime.now(UTC):%Y-%m-%d}"
    run("storage_report")
    assert archive_db.storage_daily.count_documents({}) == 1, "a day has one row"


def test_storage_report_as_a_dry_run_keeps_nothing(archive_db: Any, people: Any) -> None:
    told = run("storage_report", "--dry-run")

    assert "messages_current" in told
    assert "Today's figures were not kept." in told
    assert archive_db.storage_daily.count_documents({}) == 0


def test_the_report_tells_when_the_disk_is_full(archive_db: Any, people: Any, monkeypatch: Any, settings: Any) -> None:
    settings.CLAUDELENS_DISK_PAUSE_PERCENT = 90
    remember(30)
    monkeypatch.setattr(storage_figures, "_disk", lambda: Disk(130 * GIB, 100 * GIB))

    disk = json.loads(run("storage_report", "--dry-run", "--json"))["report"]["disk"]

    today = datetime.now(UTC).date()
    assert disk["growth"]["bytesPerDay"] == GIB
    assert disk["full"]["day"] == str(today + timedelta(days=30))
    assert disk["paused"]["day"] == str(today + timedelta(days=17)), "90 % of it are reached before"
    assert f"full on {today + timedelta(days=30)}" in run("storage_report", "--dry-run")


def test_compaction_is_planned_then_the_plan_is_run_and_tells_before_and_after(archive_db: Any, people: Any, holey: str) -> None:
    asked = ("--collection", holey, "--force")  # in others tests before may have left room
    planned = json.loads(run("compact_collections", "--dry-run", "--json", *asked))
    assert [each["collection"] for each in planned["plan"]["items"]] == [holey]
    with pytest.raises(CommandError, match="without further parameters"):
        run("compact_collections", "--plan", planned["id"], "--force")
    before = archive_db.command("collStats", holey)["totalSize"]
    assert before == pytest.approx(planned["plan"]["items"][0]["storedBytes"], abs=MIB), "a dry run changes nothing"

    done = json.loads(run("compact_collections", "--plan", planned["id"], "--json"))

    [each] = done["result"]["compacted"]
    # The server writes on its own, too: a checkpoint may take or give some kilobytes between two looks.
    assert (each["collection"], each["beforeBytes"]) == (holey, pytest.approx(before, abs=MIB))
    now = archive_db.command("collStats", holey)["totalSize"]
    assert each["afterBytes"] == pytest.approx(now, abs=MIB)
    assert now < before - 4 * MIB
    assert done["counts"]["bytesFreed"] == each["beforeBytes"] - each["afterBytes"]
    assert archive_db[holey].count_documents({}) == 200


def test_a_busy_server_is_left_alone_unless_forced(archive_db: Any, people: Any, holey: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(compaction, "busy_with", lambda: "it takes 9,000 writes a second")
    before = archive_db.command("collStats", holey)["totalSize"]

    with pytest.raises(SystemExit) as ended:
        run("compact_collections", "--min-free-mb", "4")

    assert ended.value.code == 3, "completed, with something left undone"
    assert archive_db.command("collStats", holey)["totalSize"] > before - MIB, "nothing was given back"
    told = [line.text for line in MaintenanceJob.objects.latest("created_at").log_lines()]
    assert any("9,000 writes a second" in line for line in told)
    run("compact_collections", "--min-free-mb", "4", "--force")
    assert archive_db.command("collStats", holey)["totalSize"] < before - 4 * MIB


def test_where_nothing_is_worth_it_compaction_says_so(archive_db: Any, people: Any) -> None:
    assert "worth it" in run("compact_collections")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"minFreePercent": 101}, "minFreePercent"),
        ({"minFreeBytes": "many"}, "minFreeBytes"),
        ({"minFreeBytes": -1}, "minFreeBytes"),
        ({"minFreeBytes": True}, "minFreeBytes"),
        ({"collections": [3]}, "collections"),
        ({"force": "perhaps"}, "force"),
        ({"speed": 3}, "speed"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        services.create_job("compact", asked)
    assert refusal.value.field == named


def test_a_collection_that_there_is_not_is_refused_with_exit_code_2(archive_db: Any, people: Any) -> None:
    with pytest.raises(CommandError) as refusal:
        run("compact_collections", "--collection", "never")
    assert refusal.value.returncode == 2
    assert "never" in str(refusal.value)
    with pytest.raises(NotFound):
        compaction.candidates(names=["never"])


def test_the_page_shows_tiers_partitions_growth_and_nights(archive_db: Any, root: Client) -> None:
    remember(20)

    answer = root.get("/maintenance/storage/")

    page = answer.text
    assert answer.status_code == 200
    for text in ("Storage", "messages_current", "Full on", "The figures of each day", "What will run by itself", "Everything else"):
        assert text in page
    assert page.count("<svg") >= 4
    assert "style=" not in page, "the policy allows no style of its own"
    rows = re.findall(r'<th scope="row" class="nowrap">([\d-]+)</th>', page)
    assert len(rows) == 20
    assert rows[0] == f"{datetime.now(UTC):%Y-%m-%d}", "the newest day first"


def test_the_page_of_a_new_archive_says_what_is_not_known_yet(archive_db: Any, root: Client) -> None:
    page = root.get("/maintenance/storage/").text

    assert "not known yet" in page
    assert "Drawn from the second day on" in page
    assert "nan" not in page.lower().split()


def test_the_api_tells_what_the_page_shows(archive_db: Any, root: Client) -> None:
    remember(20)

    report = root.get("/api/v1/maintenance/storage/").json()

    assert len(report["growth"]["days"]) == 20
    assert report["growth"]["archive"]["bytesPerDay"] > 0
    assert sum(each["shareOfMessages"] for each in report["tiers"]) in (0, 1)
    assert len(root.get("/api/v1/maintenance/storage/?days=5").json()["growth"]["days"]) == 5
    for wrong in ("0", "x", "-1", "400", "9" * 400):
        refused = root.get("/api/v1/maintenance/storage/", {"days": wrong})
        assert (refused.status_code, refused.json()["field"]) == (400, "days")


def test_storage_is_for_superusers(archive_db: Any, people: Any, client: Client) -> None:
    for person, status in ((people.alice, 403), (people.charlie, 403), (people.root, 200)):
        client.force_login(person)
        assert client.get("/maintenance/storage/").status_code == status
        assert client.get("/api/v1/maintenance/storage/").status_code == status
    client.logout()
    assert client.get("/maintenance/storage/")["Location"].startswith("/accounts/login/")


def test_compaction_is_begun_from_its_page(archive_db: Any, root: Client, holey: str) -> None:
    form = root.get("/maintenance/new/compact/").text
    assert 'type="checkbox" name="force"' in form
    given = {"collections": f"{holey}, sessions", "minFreeBytes": "", "minFreePercent": "5", "force": "on", "plan": "1"}

    answer = root.post("/maintenance/new/compact/", given)

    job = MaintenanceJob.objects.get()
    services.run_maintenance(job)
    assert (job.parameters["collections"], job.parameters["force"]) == ([holey, "sessions"], True)
    page = root.get(answer["Location"]).text
    assert holey in page
    assert "Run this plan" in page


def test_files_of_which_nobody_told_the_size_are_not_shown_as_none(archive_db: Any, root: Client) -> None:
    archive_db.partitions.insert_one({"_id": "frozen_2025_01", "tier": "frozen", "state": "sealed", "count": Int64(7), "bytes": Int64(900)})

    assert "not told" in root.get("/maintenance/storage/").text
