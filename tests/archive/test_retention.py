"""What a policy would do with sealed months."""

import pytest

from archive.errors import BadInput
from archive.retention import plan_retention
from tests.archive.storing import Storing, message, month


@pytest.fixture
def sealed(archive_db):
    storing = Storing()
    storing.hot("messages_2025_01", [message(1, timestamp=month(1)), message(2, timestamp=month(2))])
    storing.hot("messages_2025_06", [message(3, timestamp=month(6))])
    storing.hot("messages_2025_02", [])
    yield storing
    storing.clean()


def planned(retention: str) -> list[tuple[str, str, int]]:
    return [(each.partition, str(each.action), each.messages) for each in plan_retention(retention, month(5))]


EMPTY = ("messages_2025_02", "drop_empty", 0)


def test_old_months_are_offloaded_and_empty_ones_go(sealed):
    assert planned("offload") == [("messages_2025_01", "offload", 2), EMPTY]


def test_kept_months_stay_and_empty_ones_go(sealed):
    assert planned("keep") == [EMPTY]


@pytest.mark.parametrize("retention", ["forget", "drop"])
def test_a_policy_that_there_is_not_is_refused_by_name(archive_db, retention):
    with pytest.raises(BadInput, match=retention) as refused:
        plan_retention(retention, month(1))
    assert refused.value.hint == "There are: keep, offload. Messages are never deleted by their age."
