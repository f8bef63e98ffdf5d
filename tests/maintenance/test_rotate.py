"""rotate_messages: when it is due, by step and by command."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from archive import partitions, rotation
from maintenance import services, tasks
from maintenance.models import MaintenanceJob, StoragePolicy
from maintenance.steps import STEPS
from maintenance.steps.base import BadParameter
from tests.exports.seed import seed, small_tree

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def messages(archive_db: Any, people: Any, tmp_path: Path) -> Any:
    """Two conversations in messages_current, which is put back into its place afterwards."""
    from archive.indexes import ensure_indexes

    ensure_indexes()
    seed(people.alice, tmp_path, small_tree())
    yield archive_db.messages_current.count_documents({})
    for name in archive_db.list_collection_names(filter={"name": {"$regex": r"^messages_20\d\d_\d\d"}}):
        archive_db.drop_collection(name)
    archive_db.partitions.delete_many({"_id": {"$ne": "messages_current"}})


def rotate(*args: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("rotate_messages", *args, "--json", stdout=out, stderr=io.StringIO(), verbosity=0)
    return json.loads(out.getvalue().splitlines()[-1])


def sealed() -> list[str]:
    return [each.name for each in partitions.find_partitions() if each.name != "messages_current"]


def test_a_dry_run_says_what_would_be_sealed_and_its_plan_seals_it(messages: int, archive_db: Any) -> None:
    planned = rotate("--dry-run", "--always")
    name = planned["plan"]["items"][0]["partition"]
    assert name == partitions.sealed_name(partitions.month_of(datetime.now(UTC)))
    assert planned["plan"]["totals"]["messages"] == messages
    assert sealed() == []
    done = rotate("--plan", planned["id"])
    assert (done["counts"], done["result"]["partition"]) == ({"sealed": messages}, name)
    assert archive_db[name].count_documents({}) == messages
    assert archive_db.messages_current.count_documents({}) == 0
    assert sealed() == [name]


def test_it_waits_for_the_size_of_the_policy(messages: int) -> None:
    assert "Nothing to rotate yet" in rotate("--dry-run")["plan"]["summary"]
    StoragePolicy(rotate_above_mib=0).save()
    assert "every month only" in rotate("--dry-run")["plan"]["summary"]
    assert rotate()["counts"] == {}
    assert rotate("--above-bytes", "1000")["counts"] == {"sealed": messages}


def test_nothing_to_seal_is_no_error(archive_db: Any) -> None:
    assert "there are no messages" in rotate("--always")["plan"]["summary"]
    assert sealed() == []


def test_a_half_rotation_is_finished_by_the_next_whatever_its_size(messages: int) -> None:
    class Killed(Exception):
        pass

    def stop(point: str) -> None:
        if point == "renamed messages_current":
            raise Killed

    with pytest.raises(Killed):
        list(rotation.rotate("job-that-dies", 1, "messages_2026_01", stop))
    done = rotate()
    assert "was begun is finished" in done["plan"]["summary"]
    assert done["counts"] == {"sealed": messages}
    assert sealed() == ["messages_2026_01"]


def test_beat_seals_every_month_and_by_size_every_day(messages: int) -> None:
    tasks.start_step("rotate", "day", {})
    daily = MaintenanceJob.objects.get()
    services.run_maintenance(daily)
    assert sealed() == []
    tasks.start_step("rotate", "month", {"always": True})
    services.run_maintenance(MaintenanceJob.objects.exclude(pk=daily.pk).get())
    assert len(sealed()) == 1


@pytest.mark.parametrize("wrong", [{"always": "maybe"}, {"aboveBytes": -1}, {"aboveBytes": "many"}, {"aboveBytes": 1.5}, {"aboveBytes": True}, {"size": 1}])
def test_wrong_parameters_are_named(wrong: dict[str, Any], db: Any) -> None:
    with pytest.raises(BadParameter) as refusal:
        STEPS["rotate"].understand(wrong)
    assert refusal.value.field == next(iter(wrong))


def test_wrong_options_are_refused(archive_db: Any) -> None:
    with pytest.raises(CommandError):
        rotate("--above-bytes", "-1")
