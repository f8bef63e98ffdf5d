"""Beat itself, with the clock moved: every step is begun once for its day, week or month, whatever goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from celery import current_app
from django_celery_beat.schedulers import DatabaseScheduler

from maintenance import tasks
from maintenance.models import MaintenanceJob

pytestmark = pytest.mark.django_db(transaction=True)
BEGIN = datetime(2026, 2, 26, 12, 30, tzinfo=UTC)  # a Thursday; the 1st of March is a Sunday
HOUR = timedelta(hours=1)
DAILY = ("measure", "rotate", "tier", "verify")


class Beat(DatabaseScheduler):
    """The product's scheduler with the bells of maintenance alone, which come to this process. Where it is
    ``deaf``, none is heard."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.deaf, self.heard = False, 0
        super().__init__(*args, **more)
        self._finalize.cancel()  # at the end of this process there is no database to write to

    def update_from_dict(self, mapping: dict[str, Any]) -> None:
        super().update_from_dict({name: each for name, each in mapping.items() if each["task"] == tasks.start_step.name})

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **more: Any) -> None:
        entry = self.reserve(entry) if advance else entry
        if not self.deaf:
            self.heard += 1
            current_app.tasks[entry.task](*entry.args, **entry.kwargs)

    def ring(self) -> None:
        """All that is due now."""
        while self.tick() == 0:
            pass


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(BEGIN) as found:
        yield found


@pytest.fixture
def beat(clock: Any, archive_db: Any, redis_server: Any) -> Beat:
    made = Beat(app=current_app._get_current_object())
    made.ring()
    return made


def live(beat: Beat, clock: Any, hours: int, *, ends: bool = True) -> None:
    """Hours go by, one ring at each; a worker ends what was begun."""
    for _ in range(hours):
        clock.shift(HOUR)
        beat.ring()
        if ends:
            MaintenanceJob.objects.active().update(state="completed")


def slots() -> Counter[tuple[str, str]]:
    return Counter(MaintenanceJob.objects.values_list("step", "slot"))


def days(*names: str) -> Counter[tuple[str, str]]:
    return Counter((step, day) for step in DAILY for day in names)


def test_every_step_is_begun_once_for_its_day_week_and_month(beat: Beat, clock: Any) -> None:
    live(beat, clock, 24)
    assert slots() == days("2026-02-27")
    live(beat, clock, 48)  # two rotations are due in one hour of the 1st: the next hour makes up for the second
    month = Counter({("rotate", "2026-03"): 1, ("compact", "2026-03"): 1, ("analyse", "2026-W09"): 1})
    assert slots() == days("2026-02-27", "2026-02-28", "2026-03-01") + month
    assert MaintenanceJob.objects.get(step="rotate", slot="2026-03").parameters["always"] is True
    assert not MaintenanceJob.objects.exclude(owner=None).exists()


def test_bells_that_nobody_heard_are_rung_again_in_the_next_hours_and_days(beat: Beat, clock: Any) -> None:
    beat.deaf = True
    live(beat, clock, 24 * 3 - 9)  # until half past three on the 1st of March
    assert slots() == Counter()
    beat.deaf = False
    live(beat, clock, 30)
    found = slots()
    assert found == Counter(dict.fromkeys(found, 1))
    assert {step for step, slot in found if slot == "2026-03-01"} == {"verify"}
    assert {step for step, slot in found if slot == "2026-03"} == {"rotate", "compact"}
    assert found["analyse", "2026-W09"] == 1


def test_a_second_beat_begins_nothing_more(beat: Beat, clock: Any) -> None:
    other = Beat(app=current_app._get_current_object())
    other.ring()
    for _ in range(24):
        clock.shift(HOUR)
        beat.ring()
        other.ring()
        MaintenanceJob.objects.active().update(state="completed")
    assert beat.heard
    assert other.heard
    assert slots() == days("2026-02-27")


def test_a_step_that_is_still_at_work_is_not_begun_beside_itself(beat: Beat, clock: Any) -> None:
    live(beat, clock, 72, ends=False)
    assert Counter(step for step, _ in slots()) == Counter(dict.fromkeys(("measure", "rotate", "tier", "verify", "analyse", "compact"), 1))
