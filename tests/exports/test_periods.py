"""A period is the range of time that a person means by it, wherever they live and whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.periods import CALENDAR, is_period, range_of
from exports.reading import zone_names

BERLIN, HAVANA, APIA, CHATHAM = map(
    ZoneInfo, ("Europe/Berlin", "America/Havana", "Pacific/Apia", "Pacific/Chatham")
)
WEDNESDAY = datetime(2025, 3, 12, 15, 30, tzinfo=UTC)


def told(period: str, at: datetime = WEDNESDAY, zone: ZoneInfo | None = None) -> tuple[str, str]:
    begin, end = range_of(period, at, zone or ZoneInfo("UTC"))
    assert begin.tzinfo is end.tzinfo is UTC
    return f"{begin:%Y-%m-%dT%H:%M}", f"{end:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [
        ("today", "2025-03-12T00:00", "2025-03-13T00:00"),
        ("yesterday", "2025-03-11T00:00", "2025-03-12T00:00"),
        ("this-week", "2025-03-10T00:00", "2025-03-17T00:00"),
        ("last-week", "2025-03-03T00:00", "2025-03-10T00:00"),
        ("this-month", "2025-03-01T00:00", "2025-04-01T00:00"),
        ("last-month", "2025-02-01T00:00", "2025-03-01T00:00"),
        ("this-year", "2025-01-01T00:00", "2026-01-01T00:00"),
        ("last-year", "2024-01-01T00:00", "2025-01-01T00:00"),
        ("1h", "2025-03-12T14:30", "2025-03-12T15:30"),
        ("36h", "2025-03-11T03:30", "2025-03-12T15:30"),
        ("30d", "2025-02-10T15:30", "2025-03-12T15:30"),
        ("2w", "2025-02-26T15:30", "2025-03-12T15:30"),
    ],
)
def test_every_period(period: str, begin: str, end: str) -> None:
    assert told(period) == (begin, end)


@pytest.mark.parametrize(
    ("at", "period", "begin", "end"),
    [
        ("2025-03-10T00:00", "last-week", "2025-03-03T00:00", "2025-03-10T00:00"),
        ("2025-03-09T23:59", "last-week", "2025-02-24T00:00", "2025-03-03T00:00"),
        ("2024-12-31T12:00", "this-week", "2024-12-30T00:00", "2025-01-06T00:00"),
        ("2025-01-01T00:00", "last-month", "2024-12-01T00:00", "2025-01-01T00:00"),
        ("2025-12-31T23:59", "this-month", "2025-12-01T00:00", "2026-01-01T00:00"),
        ("2024-03-31T12:00", "last-month", "2024-02-01T00:00", "2024-03-01T00:00"),
        ("2024-02-29T12:00", "last-year", "2023-01-01T00:00", "2024-01-01T00:00"),
        ("2024-02-29T12:00", "yesterday", "2024-02-28T00:00", "2024-02-29T00:00"),
    ],
)
def test_where_weeks_months_and_years_meet(at: str, period: str, begin: str, end: str) -> None:
    assert told(period, datetime.fromisoformat(at).replace(tzinfo=UTC)) == (begin, end)


@pytest.mark.parametrize(
    ("at", "zone", "period", "begin", "end"),
    [
        # The clocks of Berlin leap on 2025-03-30 and go back on 2025-10-26: days of 23 and 25 hours.
        ("2025-03-30T12:00", BERLIN, "today", "2025-03-29T23:00", "2025-03-30T22:00"),
        ("2025-10-26T12:00", BERLIN, "today", "2025-10-25T22:00", "2025-10-26T23:00"),
        ("2025-04-01T12:00", BERLIN, "last-month", "2025-02-28T23:00", "2025-03-31T22:00"),
        ("2025-03-31T12:00", BERLIN, "last-week", "2025-03-23T23:00", "2025-03-30T22:00"),
        # Half past eleven at night in London is the next day, week and year in Berlin.
        ("2025-12-31T23:30", BERLIN, "this-year", "2025-12-31T23:00", "2026-12-31T23:00"),
        # In Havana the clocks leap over midnight, and go back to it.
        ("2025-03-09T12:00", HAVANA, "today", "2025-03-09T05:00", "2025-03-10T04:00"),
        ("2025-11-02T12:00", HAVANA, "today", "2025-11-02T04:00", "2025-11-03T05:00"),
        ("2025-03-12T12:00", CHATHAM, "today", "2025-03-12T10:15", "2025-03-13T10:15"),
        # Samoa had no 30th of December 2011.
        ("2011-12-30T12:00", APIA, "today", "2011-12-30T10:00", "2011-12-31T10:00"),
        ("2011-12-30T12:00", APIA, "yesterday", "2011-12-30T10:00", "2011-12-30T10:00"),
        # The last 24 hours are 24 hours, whatever the clocks do.
        ("2025-03-30T12:00", BERLIN, "1d", "2025-03-29T12:00", "2025-03-30T12:00"),
    ],
)
def test_the_clocks_of_a_zone_count(at: str, zone: ZoneInfo, period: str, begin: str, end: str) -> None:
    assert told(period, datetime.fromisoformat(at).replace(tzinfo=UTC), zone) == (begin, end)


MOMENTS = st.integers(10**9 // 3, 2 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(MOMENTS, st.sampled_from(zone_names()))
def test_periods_hold_now_and_follow_each_other_without_a_gap(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    ranges = {period: range_of(period, at, zone) for period in CALENDAR}
    for period in ("today", "this-week", "this-month", "this-year"):
        begin, end = ranges[period]
        assert begin <= at < end
        assert begin.astimezone(zone).date() > (begin - timedelta(seconds=1)).astimezone(zone).date()
    for before, after in (
        ("yesterday", "today"),
        ("last-week", "this-week"),
        ("last-month", "this-month"),
        ("last-year", "this-year"),
    ):
        assert ranges[before][1] == ranges[after][0]
        assert ranges[before][0] <= ranges[before][1]
    assert ranges["this-week"][0].astimezone(zone).weekday() == 0


@pytest.mark.parametrize(
    "text",
    ["", "0d", "-1d", "01d", "d", "7", "7m", "10000d", "1.5h", "١d", "7d ", "LAST-WEEK", "last week", "$now"],
)
def test_what_is_no_period(text: str) -> None:
    assert not is_period(text)


def test_what_is_one() -> None:
    assert all(map(is_period, [*CALENDAR, "1h", "24h", "9999d", "9999w"]))
    assert range_of("9999w", WEDNESDAY, UTC)[0].year == 1833
