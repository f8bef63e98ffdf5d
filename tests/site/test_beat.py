"""The timetable of maintenance as beat has it."""

import pytest
from django.conf import settings

from claudelens_site.beat import maintenance_schedule
from maintenance.steps import STEPS

HOURS = {"measure": 0, "rotate": 0, "tier": 1, "analyse": 4, "compact": 4, "verify": 5}


def test_each_step_is_rung_for_at_its_hour_and_again_in_case_nobody_listened():
    entries = maintenance_schedule(HOURS)
    night, month, week = (entries[name] for name in ("move messages down", "rotate messages every month", "analyse indexes"))
    assert night["args"] == ["tier", "day", {}]
    assert (night["schedule"].hour, night["schedule"].day_of_month) == ({1, 2, 3}, set(range(1, 32)))
    assert month["args"] == ["rotate", "month", {"always": True}]
    assert month["schedule"].day_of_month == {1, 2, 3}
    assert week["schedule"].day_of_week == {0}
    assert {entry["options"]["queue"] for entry in entries.values()} == {"default"}


def test_a_negative_hour_switches_a_step_off():
    entries = maintenance_schedule(HOURS | {"rotate": -1, "verify": -1})
    assert {entry["args"][0] for entry in entries.values()} == {"measure", "tier", "analyse", "compact"}


def test_every_step_of_the_timetable_is_there():
    rung = [entry["args"][0] for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == "maintenance.tasks.start_step"]
    assert set(rung) == set(HOURS)
    assert set(rung) <= set(STEPS)


@pytest.mark.parametrize("entry", maintenance_schedule(HOURS).values(), ids=str)
def test_what_a_bell_asks_for_is_understood(entry, db, archive_db):
    step, period, parameters = entry["args"]
    assert isinstance(STEPS[step].understand(parameters), dict)
    assert period in {"day", "week", "month"}
