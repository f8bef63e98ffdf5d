"""migrate_tiers, offload_archive, restore_archive: what is planned moves, what is asked for is had, nothing is lost."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import bson
import pytest
import zstandard
from django.core.management import CommandError, call_command
from django.utils import timezone

from archive import lots, mover, object_store, partitions, verifying
from archive.errors import Conflict
from archive.object_store import FolderStore
from archive.places.base import RAW
from maintenance import previews, services
from maintenance.models import MaintenanceJob, StoragePolicy, TierPolicy
from maintenance.moves import ages_of_policies
from maintenance.policies import ImpossiblePolicy
from maintenance.steps import STEPS
from maintenance.steps.base import BadParameter
from tests.exports.seed import seed, small_tree

pytestmark = pytest.mark.django_db(transaction=True)
MONTH = "2025_03"


@pytest.fixture
def messages(archive_db: Any, people: Any, tmp_path: Path) -> Any:
    """How many there are, all of them of March 2025; the archive is put back to hot afterwards."""
    from archive.indexes import ensure_indexes

    ensure_indexes()
    object_store.configure(lambda: FolderStore(tmp_path / "deep"))
    seed(people.alice, tmp_path, small_tree())
    yield archive_db.messages_current.count_documents({})
    for name in archive_db.list_collection_names():
        if name.startswith(("messages_archive_", "messages_timeseries")):
            archive_db.drop_collection(name)
    archive_db.partitions.delete_many({"_id": {"$ne": "messages_current"}})


@pytest.fixture
def run() -> Callable[..., dict[str, Any]]:
    """``run("migrate_tiers", "--now")``: the answer of the command."""

    def call(*args: str) -> dict[str, Any]:
        out = io.StringIO()
        call_command(*args, "--json", stdout=out, stderr=io.StringIO(), verbosity=0)
        return json.loads(out.getvalue().splitlines()[-1])

    return call


def where() -> dict[str, int | None]:
    """How many messages each partition has, but for the open one."""
    return {each.name: each.count for each in partitions.find_partitions() if each.count}


def all_is_well(run: Any) -> None:
    assert run("verify_archive", "--deep")["result"]["violations"] == 0


def test_messages_move_down_come_to_files_and_back(messages: int, run: Any, tmp_path: Path) -> None:
    assert run("migrate_tiers", "--now")["counts"]["moved"] == messages
    assert set(where()) == {"messages_timeseries"}
    all_is_well(run)
    assert run("migrate_tiers", "--now")["counts"]["moved"] == messages
    assert set(where()) == {f"messages_archive_{MONTH}"}
    all_is_well(run)
    done = run("offload_archive", MONTH)
    assert done["counts"]["moved"] == messages
    assert set(where()) == {f"frozen_{MONTH}"}
    assert list((tmp_path / "deep").rglob("*.zst"))
    all_is_well(run)
    assert run("restore_archive", "2025-03")["counts"]["moved"] == messages
    assert set(where()) == {f"messages_archive_{MONTH}"}
    all_is_well(run)
    assert run("restore_archive", MONTH)["plan"]["summary"] == f"Nothing of {MONTH} is frozen."


def test_the_manifest_of_a_month_tells_all_of_its_objects_without_the_database(messages: int, run: Any, tmp_path: Path) -> None:
    for _ in range(2):
        run("migrate_tiers", "--now")
    run("offload_archive", MONTH)
    folder = tmp_path / "deep" / "frozen" / MONTH
    told = json.loads((folder / "manifest.json").read_bytes())
    assert (told["format"], told["month"], told["messages"]) == ("claudelens-frozen/1", "2025-03", messages)
    assert [each["name"] for each in told["objects"]] == sorted(path.name for path in folder.glob("*.zst"))
    for each in told["objects"]:
        stored = (folder / each["name"]).read_bytes()
        assert each["storedBytes"] == len(stored)
        assert stored[:32] == sha256(stored[32:]).digest()
        documents = bson.decode_all(zstandard.ZstdDecompressor().decompress(stored[32:]))
        assert (each["messages"], each["undated"]) == (len(documents), 0)
        assert each["since"] == f"{min(one['timestamp'] for one in documents).isoformat(timespec='milliseconds')}Z"
        raw = [sha256(one.raw).digest() for one in bson.decode_all(zstandard.ZstdDecompressor().decompress(stored[32:]), RAW)]
        assert each["documentsSha256"] == sha256(b"".join(sorted(raw))).hexdigest()
    run("restore_archive", MONTH)
    assert not list((tmp_path / "deep").rglob("*.*")), "of a month that is back nothing is left"
    all_is_well(run)


def test_a_manifest_that_was_not_written_in_time_is_written_by_the_next_move(messages: int, run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    for _ in range(2):
        run("migrate_tiers", "--now")
    monkeypatch.setattr("archive.manifests.write_stale", list)
    run("offload_archive", MONTH)
    monkeypatch.undo()
    manifest = tmp_path / "deep" / "frozen" / MONTH / "manifest.json"
    assert not manifest.exists()
    all_is_well(run)  # a move may still be under way
    run("migrate_tiers", "--now")
    assert json.loads(manifest.read_bytes())["messages"] == messages


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"{}")])
def test_a_manifest_that_is_gone_or_was_changed_is_found_and_put_right(messages: int, run: Any, tmp_path: Path, damage: Any) -> None:
    for _ in range(2):
        run("migrate_tiers", "--now")
    run("offload_archive", MONTH)
    manifest = tmp_path / "deep" / "frozen" / MONTH / "manifest.json"
    true = manifest.read_bytes()
    damage(manifest)
    with pytest.raises(SystemExit):
        run("verify_archive")
    assert verifying.find_verifications(1)[0]["found"] == {"manifest_differs": 1}
    assert run("verify_archive", "--repair")["result"]["repaired"] == 1
    assert manifest.read_bytes() == true
    all_is_well(run)


@pytest.mark.parametrize("command", ["migrate_tiers", "offload_archive", "restore_archive"])
def test_a_dry_run_moves_nothing_and_its_plan_does(command: str, messages: int, run: Any) -> None:
    month = [] if command == "migrate_tiers" else [MONTH]
    for _ in range(0 if command == "migrate_tiers" else 2):
        run("migrate_tiers", "--now")
    if command == "restore_archive":
        run("offload_archive", MONTH)
    before, now = where(), ["--now"] if command == "migrate_tiers" else []
    planned = run(command, *month, *now, "--dry-run")
    assert planned["plan"]["totals"]["messages"] == messages
    assert "messages, " in planned["plan"]["summary"]
    assert where() == before
    assert run(command, "--plan", planned["id"])["counts"]["moved"] == messages
    assert where() != before


def test_it_tells_what_moves_tonight_as_a_person_would(messages: int, redis_server: Any) -> None:
    assert previews.tonight().text.startswith(f"{messages} messages, ")
    assert previews.tonight().text.endswith("hot to warm.")


def test_outside_the_quiet_hours_nothing_moves_and_it_says_why(messages: int, run: Any) -> None:
    now = timezone.now()
    begin, end = time((now.hour + 2) % 24), time((now.hour + 3) % 24)
    StoragePolicy(quiet_from=begin, quiet_until=end).save()
    done = run("migrate_tiers")
    assert (done["state"], done["counts"], where()) == ("completed", {}, {})
    assert done["result"]["stopped"] == f"It is not within the quiet hours, {begin:%H:%M} to {end:%H:%M} UTC."


def test_when_the_quiet_hours_end_it_stops_after_the_batch(messages: int, run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(lots, "BATCH_DOCS", 2)
    answers = iter(["", ""])
    monkeypatch.setattr("maintenance.steps.tier._quiet", lambda _: lambda: next(answers, "Good morning."))
    done = run("migrate_tiers")
    assert 0 < done["counts"]["moved"] < messages
    assert done["result"] == {"stopped": "Good morning."}
    monkeypatch.undo()
    again = run("migrate_tiers", "--now", "--tier", "hot")
    assert done["counts"]["moved"] + again["counts"]["moved"] == messages
    all_is_well(run)


def test_a_move_that_is_killed_is_mended_and_finished_by_the_next(messages: int, run: Any, monkeypatch: Any) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(lots, "BATCH_DOCS", 2)
    job = services.create_job("tier", {"now": True})
    with monkeypatch.context() as patch:
        patch.setattr(mover._Mover, "_switch", die)
        with pytest.raises(Killed):
            services.run_maintenance(job)
    MaintenanceJob.objects.filter(pk=job.pk).update(state="failed", lease_until=None)
    assert run("migrate_tiers", "--now")["counts"]["moved"] == messages
    all_is_well(run)


def test_a_sealed_month_is_offloaded_as_a_whole_where_the_policy_says_so(messages: int, run: Any, archive_db: Any) -> None:
    sealed = run("rotate_messages", "--always")["result"]["partition"]
    StoragePolicy(sealed_retention="offload", sealed_retention_months=1).save()
    planned = run("migrate_tiers", "--now", "--dry-run")["plan"]["items"]
    assert [(each["source"], each["target"], each["messages"]) for each in planned] == [(sealed, "frozen", messages)]
    counts = run("migrate_tiers", "--now")["counts"]
    assert (counts["moved"], counts["dropped"]) == (messages, 1)
    assert where() == {f"frozen_{MONTH}": messages}
    assert sealed not in archive_db.list_collection_names()
    all_is_well(run)


def test_a_project_goes_by_its_own_policy(messages: int, run: Any, archive_db: Any) -> None:
    project = archive_db.messages_current.find_one()["projectId"]
    own = archive_db.messages_current.count_documents({"projectId": project})
    TierPolicy(project=str(project), warm_after_days=20_000, cold_after_days=20_001).save()
    assert run("migrate_tiers", "--now")["counts"].get("moved", 0) == messages - own
    assert archive_db.messages_current.count_documents({}) == own


def test_messages_of_an_import_at_work_stay(messages: int, run: Any, archive_db: Any, people: Any) -> None:
    job = services.create_job("tier", {"now": True}, dry_run=True)  # stands for an import: every active job counts
    archive_db.messages_current.update_many({}, {"$set": {"importId": str(job.pk)}})
    assert run("migrate_tiers", "--now")["plan"]["summary"] == "Nothing is old enough to move."


def test_the_plain_layout_has_no_tiers(messages: int, settings: Any) -> None:
    settings.CLAUDELENS_LAYOUT = "rolling"
    for command in (["migrate_tiers"], ["offload_archive", MONTH]):
        with pytest.raises(CommandError, match="CLAUDELENS_LAYOUT=rolling"):
            call_command(*command, verbosity=0)
    with pytest.raises(Conflict) as refusal:
        services.create_job("tier")
    assert refusal.value.code == "rolling_layout"
    assert services.create_due_job("tier", "day") is None


def test_an_impossible_policy_that_got_past_the_admin_moves_nothing(messages: int, run: Any) -> None:
    TierPolicy(warm_after_days=90, cold_after_days=7).save()
    with pytest.raises(ImpossiblePolicy):
        ages_of_policies()
    with pytest.raises(CommandError, match="It would be cold after 7 days"):
        run("migrate_tiers", "--now")
    assert where() == {}


@pytest.mark.parametrize(
    ("step", "wrong", "field"),
    [
        ("tier", {"tiers": ["lukewarm"]}, "tiers"),
        ("tier", {"tiers": "frozen"}, "tiers"),
        ("tier", {"tiers": {"$ne": 1}}, "tiers"),
        ("tier", {"now": "soon"}, "now"),
        ("offload", {}, "month"),
        ("offload", {"month": "2025_13"}, "month"),
        ("restore", {"month": "../../etc"}, "month"),
        ("restore", {"month": ["2025_03"]}, "month"),
        ("restore", {"year": 2025}, "year"),
    ],
)
def test_wrong_parameters_are_named(step: str, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        STEPS[step].understand(wrong)
    assert refusal.value.field == field


def test_an_unknown_tier_is_told_with_those_there_are(run: Any, archive_db: Any) -> None:
    with pytest.raises(CommandError, match="Messages leave: hot, warm, cold"):
        run("migrate_tiers", "--tier", "lukewarm")
    assert STEPS["tier"].understand({"tiers": "cold, hot"})["tiers"] == ["hot", "cold"]


