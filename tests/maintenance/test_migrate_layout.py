"""migrate_layout: an old database into tiers and back, by command, step and API."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from archive import layouts, reader
from archive.layouts import WrongPhase
from archive.reader import MessageFilter
from maintenance import services
from maintenance.models import MaintenanceJob, TierPolicy
from maintenance.steps import migrate
from maintenance.steps.base import BadParameter
from tests.exports.seed import seed, small_tree

pytestmark = pytest.mark.django_db(transaction=True)
ACTIONS = ["create", "dual-write", "backfill", "validate", "cut-over", "finish"]


@pytest.fixture
def old(archive_db: Any, people: Any, tmp_path: Path) -> Any:
    """A database whose messages lie in one ``messages`` collection, made by a real import."""
    seed(people.alice, tmp_path, small_tree())
    archive_db.messages.insert_many(list(archive_db.messages_current.find()))
    archive_db.messages_current.delete_many({})
    yield archive_db
    for name in archive_db.list_collection_names():
        if name == "messages" or name.startswith(("messages_2", "messages_archive_", "messages_timeseries")):
            archive_db.drop_collection(name)
    archive_db.partitions.delete_many({"_id": {"$ne": "messages_current"}})


def migrate_layout(*args: str) -> dict[str, Any]:
    out = io.StringIO()
    try:
        call_command("migrate_layout", *args, "--json", stdout=out, stderr=io.StringIO(), verbosity=0)
    except (CommandError, SystemExit):
        pass
    return json.loads(out.getvalue().splitlines()[-1])


def told(*args: str) -> str:
    out = io.StringIO()
    call_command("migrate_layout", *args, stdout=out, stderr=io.StringIO(), verbosity=0)
    return out.getvalue()


def count() -> int:
    return sum(1 for _ in reader.scan_messages(MessageFilter()))


def test_each_phase_is_a_command_with_its_status(old: Any) -> None:
    messages = old.messages.count_documents({})
    assert migrate_layout("status") == {"layout": "tiered", "migration": None}
    for action in ACTIONS:
        done = migrate_layout(action)
        assert done["state"] == "completed", done
        status = migrate_layout("status")["migration"]
        assert done["result"]["migration"] == status
        assert count() == messages
    assert (status["phase"], status["next"], status["canRollBack"]) == ("finished", "", False)
    assert [each["phase"] for each in status["history"]] == [
        "created", "dual_writing", "backfilled", "validated", "cut_over", "finishing", "finished"
    ]  # fmt: skip
    assert "messages" not in old.list_collection_names()


def test_the_status_is_told_in_sentences(old: Any) -> None:
    assert "never migrated. To begin: manage.py migrate_layout create" in told("status")
    migrate_layout("create")
    assert "Next: manage.py migrate_layout dual-write To go back:" in told("status").replace("  ", " ")


def test_a_dry_run_of_each_phase_changes_nothing_and_its_plan_runs(old: Any) -> None:
    planned = migrate_layout("create", "--dry-run")
    assert planned["plan"]["items"][0]["adopts"] == ["messages"]
    assert "Adopts messages." in planned["plan"]["summary"]
    assert layouts.find_last() is None
    assert migrate_layout("--plan", planned["id"])["state"] == "completed"
    for action in ACTIONS[1:]:
        before = layouts.find_last()
        planned = migrate_layout(action, "--dry-run")
        assert planned["plan"]["items"][0]["action"] == action
        assert layouts.find_last() == before
        assert migrate_layout("--plan", planned["id"])["state"] == "completed"


def test_a_phase_out_of_order_fails_and_names_the_next(old: Any) -> None:
    migrate_layout("create")
    done = migrate_layout("cut-over")
    assert done["state"] == "failed"
    assert done["error"]["code"] == "layout_wrong_phase"
    assert "Next comes dual-write" in json.dumps(done["error"])
    assert done["exitCode"] == 2
    with pytest.raises(WrongPhase, match="is under way"):
        migrate.plan({"action": "create", "to": "tiered"})


def test_a_difference_ends_with_errors_and_is_in_the_result(old: Any) -> None:
    for action in ACTIONS[:3]:
        migrate_layout(action)
    changed = old.messages.find_one()["_id"]
    old.messages.update_one({"_id": changed}, {"$set": {"text": "planted"}})
    done = migrate_layout("validate")
    assert (done["state"], done["exitCode"]) == ("completed_with_errors", 3)
    assert changed.hex() in {each["subject"] for each in done["result"]["differences"]}
    assert migrate_layout("cut-over")["error"]["code"] == "layout_wrong_phase"
    old.messages.update_one({"_id": changed}, {"$unset": {"text": ""}})
    assert migrate_layout("roll-back")["state"] == "completed"


def test_finish_asks_for_the_setting_of_the_layout(old: Any, settings: Any) -> None:
    for action in ACTIONS:
        migrate_layout(action)
    messages = count()
    migrate_layout("create", "--to", "rolling")
    for action in ACTIONS[1:5]:
        assert migrate_layout(action)["state"] == "completed"
    refused = migrate_layout("finish")
    assert refused["error"]["code"] == "layout_setting"
    settings.CLAUDELENS_LAYOUT = "rolling"
    assert migrate_layout("finish")["state"] == "completed"
    assert {each["tier"] for each in old.partitions.find()} == {"hot"}
    assert count() == messages


def test_no_move_begins_meanwhile(old: Any, refused: Any) -> None:
    migrate_layout("create")
    refused("layout_migrating", services.create_job, "tier", {"now": True})
    migrate_layout("roll-back")
    assert services.create_job("tier", {"now": True}, dry_run=True).step == "tier"


def test_how_old_cold_messages_are_is_as_the_policy_says(old: Any) -> None:
    TierPolicy(warm_after_days=7, cold_after_days=20_000).save()
    for action in ACTIONS[:5]:
        migrate_layout(action)
    assert {each["_id"] for each in old.partitions.find({"tier": "warm"})} == {"messages_timeseries"}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "action"),
        ({"action": "begin"}, "action"),
        ({"action": "create", "to": "flat"}, "to"),
        ({"action": "backfill", "to": "tiered"}, "to"),
        ({"action": "create", "speed": 1}, "speed"),
    ],
)
def test_bad_parameters_are_refused_by_name(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        migrate.understand(asked)
    assert refusal.value.field == field


def test_the_api_does_a_phase(old: Any, client: Any, people: Any) -> None:
    client.force_login(people.root)
    made = client.post(
        "/api/v1/maintenance/",
        {"step": "migrate", "parameters": {"action": "create"}, "dryRun": False},
        content_type="application/json",
    )
    assert made.status_code in (201, 202), made.content
    job = MaintenanceJob.objects.get(pk=made.json()["id"])
    services.run_maintenance(job)
    assert layouts.find_active().phase == "created"
