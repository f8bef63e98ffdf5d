"""A filter is understood exactly, or refused with the name of the field."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from archive.errors import BadInput
from archive.filters import MessageFilter
from exports.filters import BadFilter, build_filter, parse_time


def test_nothing_asked_is_everything() -> None:
    assert build_filter({}) == MessageFilter()
    assert build_filter({"project": "", "since": "", "until": None, "model": []}) == MessageFilter()


def test_each_field_is_understood() -> None:
    assert build_filter(
        {"project": "p", "session": ["a", "b", "a"], "source": "claude-code", "model": ["m"], "since": "2025-01-31", "until": "2025-02-01T12:00:00+02:00"}
    ) == MessageFilter(
        project_ids=("p",),
        session_ids=("a", "b"),
        sources=("claude-code",),
        models=("m",),
        since=datetime(2025, 1, 31, tzinfo=UTC),
        until=datetime(2025, 2, 1, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2025-01-31", datetime(2025, 1, 31, tzinfo=UTC)),
        ("2025-01-31T10:00:00", datetime(2025, 1, 31, 10, tzinfo=UTC)),
        ("2025-01-31T10:00:00Z", datetime(2025, 1, 31, 10, tzinfo=UTC)),
        ("2025-01-31T10:00:00.5-05:30", datetime(2025, 1, 31, 15, 30, 0, 500000, tzinfo=UTC)),
        (date(2025, 1, 31), datetime(2025, 1, 31, tzinfo=UTC)),
        (" 2025-01-31 ", datetime(2025, 1, 31, tzinfo=UTC)),
        ("", None),
    ],
)
def test_times_are_read_as_utc(value: object, moment: datetime | None) -> None:
    assert parse_time("since", value) == moment


HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("$where", {"$where": "sleep(1000)"}),
    ("projectId", {"projectId": "x"}),
    ("session", {"session": {"$ne": None}}),
    ("session", {"session": [{"$gt": ""}]}),
    ("project", {"project": [["nested"]]}),
    ("model", {"model": 7}),
    ("model", {"model": True}),
    ("source", {"source": "a\x00b"}),
    ("source", {"source": "x" * 600}),
    ("model", {"model": "\ud800"}),
    ("session", {"session": ["s"] * 1001}),
    ("since", {"since": "yesterday"}),
    ("since", {"since": 1735689600}),
    ("since", {"since": ["2025-01-01"]}),
    ("since", {"since": {"$date": "2025-01-01"}}),
    ("until", {"until": "2025-02-30"}),
    ("until", {"until": "0001-01-01T00:00:00+10:00"}),
    ("until", {"until": "9999-12-31T23:59:59-10:00"}),
    ("until", {"since": "2025-02-01", "until": "2025-02-01"}),
    ("until", {"since": "2025-02-01", "until": "2025-01-01"}),
]


@pytest.mark.parametrize(("field", "asked"), HOSTILE, ids=[f"{field}-{number}" for number, (field, _) in enumerate(HOSTILE)])
def test_what_cannot_be_meant_is_refused_by_name(field: str, asked: dict[str, Any]) -> None:
    with pytest.raises(BadFilter) as refused:
        build_filter(asked)
    assert refused.value.field == field
    assert refused.value.message.startswith(field)
    assert refused.value.hint
    assert isinstance(refused.value, BadInput)
    assert len(refused.value.message) < 200
