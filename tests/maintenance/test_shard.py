"""plan_sharding: what it tells, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from maintenance.steps import STEPS
from maintenance.steps.base import BadParameter
from tests.exports.seed import seed, small_tree

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def messages(archive_db: Any, people: Any, tmp_path: Path) -> int:
    """Two conversations; how many messages they have."""
    seed(people.alice, tmp_path, small_tree())
    return archive_db.messages_current.count_documents({})


def ask(*args: str) -> str:
    out = io.StringIO()
    call_command("plan_sharding", *args, stdout=out, stderr=io.StringIO(), verbosity=0)
    return out.getvalue()


def test_it_tells_keys_balance_and_commands_and_changes_nothing(messages: int, archive_db: Any) -> None:
    told = json.loads(ask("--shards", "4", "--json").splitlines()[-1])
    assert told["state"] == "completed"
    assert told["result"]["shards"] == 4
    assert told["result"]["collections"][0]["collection"] == "messages_current"
    assert told["result"]["collections"][0]["messages"] == messages
    assert {each["field"] for each in told["result"]["keys"]} >= {"sessionId", "_id", "timestamp"}
    assert "events" in told["result"]["unsharded"]
    assert "sessionId_hashed" not in archive_db.messages_current.index_information()


def test_the_commands_are_told_as_mongosh_takes_them(messages: int) -> None:
    told = ask("--dry-run").splitlines()
    assert any(line.startswith('db.getSiblingDB("admin").runCommand({"shardCollection"') for line in told)


def test_it_is_applied_to_a_mongos_alone(messages: int, archive_db: Any) -> None:
    with pytest.raises(CommandError, match="no mongos"):
        ask("--apply")
    assert "sessionId_hashed" not in archive_db.messages_current.index_information()


@pytest.mark.parametrize("asked", [{"shards": 1}, {"shards": 1001}, {"shards": "many"}, {"apply": "maybe"}, {"zones": 2}])
def test_what_cannot_be_is_named(asked: dict[str, Any]) -> None:
    with pytest.raises(BadParameter) as refused:
        STEPS["shard"].understand(asked)
    assert refused.value.field == next(iter(asked))
