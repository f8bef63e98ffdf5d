"""Policies: ages that grow, quiet hours that there are, and tonight's move told beside them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from archive.errors import Unavailable
from maintenance import previews, services
from maintenance.models import MaintenanceJob, StoragePolicy, TierPolicy
from maintenance.policies import Ages, ImpossiblePolicy
from maintenance.quiet import QuietHours
from maintenance.steps import STEPS

ADMIN = "/admin/maintenance/"


@pytest.fixture(autouse=True)
def _tonight(drill: Any, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    """The nightly move as the tests' own step, counted each time."""
    monkeypatch.setitem(STEPS, "tier", replace(STEPS["drill"], name="tier"))
    monkeypatch.setattr(previews, "SECONDS", 0)


@pytest.mark.parametrize(
    ("ages", "field"),
    [
        (Ages(0, 90), "warm_after_days"),
        (Ages(90, 7), "cold_after_days"),
        (Ages(7, 7), "cold_after_days"),
        (Ages(7, 90, 30), "frozen_after_days"),
        (Ages(7, 90, 90), "frozen_after_days"),
    ],
)
def test_an_impossible_policy_is_refused_by_its_age(ages: Ages, field: str) -> None:
    with pytest.raises(ImpossiblePolicy) as refusal:
        ages.check()
    assert (refusal.value.code, refusal.value.field) == ("impossible_policy", field)
    policy = TierPolicy(warm_after_days=ages.warm, cold_after_days=ages.cold, frozen_after_days=ages.frozen)
    with pytest.raises(ValidationError) as told:
        policy.clean()
    assert told.value.error_dict[field][0].code == "impossible_policy"


@pytest.mark.parametrize("ages", [Ages(7, 90), Ages(1, 2, 3), Ages(30, 365, 3650)])
def test_ages_that_grow_are_taken(ages: Ages) -> None:
    ages.check()


@pytest.mark.parametrize(
    ("hours", "at", "are_now"),
    [
        (("01:00", "06:00", "UTC"), "01:00", True),
        (("01:00", "06:00", "UTC"), "06:00", False),
        (("22:00", "04:00", "UTC"), "23:59", True),
        (("22:00", "04:00", "UTC"), "03:59", True),
        (("22:00", "04:00", "UTC"), "12:00", False),
        (("00:00", "00:00", "UTC"), "12:00", True),
        (("01:00", "06:00", "Europe/Berlin"), "00:30", True),  # 01:30 there, in winter
        (("01:00", "06:00", "Europe/Berlin"), "05:30", False),
    ],
)
def test_quiet_hours_hold_by_their_own_clock(hours: Any, at: str, are_now: bool) -> None:
    moment = datetime.combine(date(2026, 1, 15), time.fromisoformat(at), UTC)
    quiet = QuietHours(time.fromisoformat(hours[0]), time.fromisoformat(hours[1]), hours[2])
    assert quiet.hold_at(moment) is are_now


@pytest.mark.django_db
class TestAdmin:
    def test_a_policy_is_made_with_the_preview_beside_it(self, root: Client, archive_db: Any, redis_server: Any) -> None:
        page = root.get(f"{ADMIN}tierpolicy/add/").text
        assert "3 things of 2026_01" in page
        answer = root.post(f"{ADMIN}tierpolicy/add/", {"project": "", "warm_after_days": 14, "cold_after_days": 60, "frozen_after_days": ""})
        assert answer.status_code == 302
        assert TierPolicy.objects.get().ages == Ages(14, 60)
        assert "Every project: warm after 14 days, cold after 60" in (page := root.get(f"{ADMIN}tierpolicy/").text)
        assert "3 things of 2026_01" in page

    def test_warm_after_cold_is_refused_in_words(self, root: Client, archive_db: Any, redis_server: Any) -> None:
        asked = {"project": "", "warm_after_days": 90, "cold_after_days": 7}
        page = root.post(f"{ADMIN}tierpolicy/add/", asked)
        assert page.status_code == 200
        assert "It would be cold after 7 days, and warm only after 90." in page.text
        assert not TierPolicy.objects.exists()

    def test_an_unknown_project_is_refused(self, root: Client, archive_db: Any, redis_server: Any) -> None:
        asked = {"project": "nowhere", "warm_after_days": 7, "cold_after_days": 90}
        assert "There is no such project" in root.post(f"{ADMIN}tierpolicy/add/", asked).text

    def test_a_project_is_found_by_its_path(self, root: Client, archive_db: Any, redis_server: Any) -> None:
        made = archive_db.projects.insert_one({"path": "/home/a/web", "name": "web"}).inserted_id
        root.post(f"{ADMIN}tierpolicy/add/", {"project": "/home/a/web", "warm_after_days": 7, "cold_after_days": 90})
        assert TierPolicy.objects.get().project == str(made)

    def test_there_is_one_storage_policy(self, root: Client, archive_db: Any, redis_server: Any) -> None:
        asked = {
            "rotate_above_mib": 10, "sealed_retention": "keep", "sealed_retention_months": 3, "quiet_from": "22:00",
            "quiet_until": "05:00", "quiet_time_zone": "Mars/Olympus",
        }  # fmt: skip
        assert "There is no such time zone." in root.post(f"{ADMIN}storagepolicy/add/", asked).text
        assert root.post(f"{ADMIN}storagepolicy/add/", asked | {"quiet_time_zone": "Europe/Berlin"}).status_code == 302
        assert root.get(f"{ADMIN}storagepolicy/add/").status_code == 403
        assert str(StoragePolicy.objects.get().quiet_hours) == "22:00 to 05:00 Europe/Berlin"

    def test_a_preview_that_cannot_be_made_says_why(self, root: Client, drill: Any, monkeypatch: Any, redis_server: Any) -> None:
        def away(_: Any) -> Any:
            raise Unavailable("MongoDB does not answer.")

        monkeypatch.setitem(STEPS, "tier", replace(STEPS["tier"], plan=away))
        assert "MongoDB does not answer." in root.get(f"{ADMIN}storagepolicy/").text

    def test_jobs_are_cancelled_retried_and_run_as_planned(self, root: Client, planned: MaintenanceJob) -> None:
        url = f"{ADMIN}maintenancejob/"
        page = root.get(url).text
        assert "/maintenance/new/drill/" in page
        assert "3 things of 2026_02" in root.get(f"{url}{planned.pk}/change/").text
        act(root, "run_plans", planned)
        job = MaintenanceJob.objects.get(dry_run=False)
        assert job.plan == planned.plan
        act(root, "cancel_jobs", job)
        act(root, "retry_jobs", job)
        assert MaintenanceJob.objects.get(pk=job.pk).state == "queued"
        assert "is at work already" in act(root, "run_plans", planned)

    @pytest.mark.parametrize("name", ["maintenancejob/", "tierpolicy/", "tierpolicy/add/", "storagepolicy/"])
    def test_staff_may_not(self, client: Client, people: Any, name: str) -> None:
        client.force_login(people.alice)
        assert client.get(ADMIN + name).status_code == 403


def act(client: Client, action: str, job: MaintenanceJob) -> str:
    asked = {"action": action, "_selected_action": [str(job.pk)]}
    return str(client.post(f"{ADMIN}maintenancejob/", asked, follow=True).text)


@pytest.mark.django_db
def test_the_preview_is_counted_at_most_once_a_minute(drill: Any, redis_server: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(previews, "SECONDS", 60)
    previews.forget()
    assert {previews.tonight().text for _ in range(3)} == {"3 things of 2026_01"}
    assert drill.plans == 1
    previews.forget()
    previews.tonight()
    assert drill.plans == 2
    services.find_step("tier")
