"""A step of the tests' own: it counts, one Advance each, and stops where it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.test import Client

from archive.errors import Conflict
from maintenance import services
from maintenance.models import MaintenanceJob
from maintenance.steps import STEPS
from maintenance.steps.base import Advance, BadParameter, Holder, Plan, Step, only


class Drill:
    """What the step sees and does: ``size`` is how much there is to do when it is planned."""

    def __init__(self) -> None:
        self.size = 3
        self.plans = 0
        self.done: list[tuple[int, Holder]] = []
        self.problem: Exception | None = None
        self.during: Callable[[], None] = lambda: None

    def understand(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        month = only(asked, "month").get("month", "2026_01")
        if month == "never":
            raise BadParameter("month", "there is no such month.", hint="Give one such as 2026_03.")
        return {"month": month}

    def plan(self, parameters: dict[str, Any]) -> Plan:
        self.plans += 1
        items = [{"number": number, "bytes": 2048} for number in range(self.size)]
        return Plan(f"{self.size} things of {parameters['month']}", items, {"messages": self.size, "bytes": 2048 * self.size})

    def run(self, parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
        for item in plan.items[len(self.done) :]:
            self.done.append((item["number"], holder))
            yield Advance(1, 2048, phase="counting", counts={"counted": 1}, result={"last": item["number"]})
            self.during()
            if self.problem is not None:
                raise self.problem


@pytest.fixture
def drill(monkeypatch: pytest.MonkeyPatch) -> Drill:
    """The step ``drill``, there for this test."""
    made = Drill()
    step = Step(
        name="drill", label="Count things", command="verify_archive", about="Counts what there is.",
        understand=made.understand, plan=made.plan, run=made.run, asks={"month": "Such as 2026_03."},
    )  # fmt: skip
    monkeypatch.setitem(STEPS, "drill", step)
    return made


@pytest.fixture
def planned(db: Any, people: Any, drill: Drill) -> MaintenanceJob:
    """A dry run that has ended."""
    job = services.create_job("drill", {"month": "2026_02"}, people.root, dry_run=True)
    services.run_maintenance(job)
    drill.plans = 0
    return MaintenanceJob.objects.get(pk=job.pk)


@pytest.fixture
def root(client: Client, people: Any) -> Client:
    """A browser in which the superuser has signed in."""
    client.force_login(people.root)
    return client


@pytest.fixture
def refused() -> Callable[..., Any]:
    """``refused("maintenance_running", create, …)``: the Conflict of that code, which it must raise."""

    def call(code: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Conflict:
        with pytest.raises(Conflict) as refusal:
            function(*args, **kwargs)
        assert refusal.value.code == code
        return refusal.value

    return call
