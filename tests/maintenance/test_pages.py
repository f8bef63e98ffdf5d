"""The pages of maintenance: a dry run first, then its very plan; for superusers alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from maintenance import services
from maintenance.access import WHY_NOT
from maintenance.models import MaintenanceJob
from maintenance.slots import slot_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_dry_run_then_its_plan(root: Client, drill: Any) -> None:
    assert "Such as 2026_03." in root.get("/maintenance/new/drill/").text
    answer = root.post("/maintenance/new/drill/", {"month": "2026_02", "plan": "1"})
    job = MaintenanceJob.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/maintenance/{job.pk}/")
    assert (job.dry_run, job.parameters) == (True, {"month": "2026_02"})
    waiting = root.get(answer["Location"]).text
    assert "data-job-live" in waiting
    assert "Run this plan" not in waiting
    services.run_maintenance(job)
    page = root.get(answer["Location"]).text
    for text in ("3 things of 2026_02", "Run this plan", "2.0 KiB", "What would be done"):
        assert text in page
    run = root.post(f"/maintenance/{job.pk}/run-plan/")
    made = MaintenanceJob.objects.get(dry_run=False)
    assert run["Location"] == f"/maintenance/{made.pk}/"
    services.run_maintenance(made)
    assert "What came of it" in root.get(run["Location"]).text
    assert len(drill.done) == 3


def test_what_is_refused_is_told_on_the_form(root: Client, drill: Any) -> None:
    answer = root.post("/maintenance/new/drill/", {"month": "never"})
    assert answer.status_code == 400
    assert "there is no such month" in answer.text
    assert 'value="never"' in answer.text
    first = services.create_job("drill")
    answer = root.post("/maintenance/new/drill/", {"run": "1"})
    assert answer.status_code == 400
    assert f"/maintenance/{first.pk}/" in answer.text


def test_the_list_tells_last_night_tonight_the_steps_and_the_jobs(root: Client, drill: Any, people: Any) -> None:
    job = services.create_job("drill", slot=slot_of("day"))
    services.run_maintenance(job)
    services.create_job("drill", {}, people.root)
    page = root.get("/maintenance/").text
    night = page.partition('id="night-heading"')[2].partition('id="steps-heading"')[0]
    assert "3 things of 2026_01" in night
    assert "Verify the archive" in page.partition('id="tonight-heading"')[2].partition('id="night-heading"')[0]
    for text in ("Count things", "by itself", "root", "Counts what there is."):
        assert text in page


def test_an_empty_list_says_what_to_do(root: Client) -> None:
    assert "Nothing has run yet" in root.get("/maintenance/").text


def test_cancel_and_retry_by_their_buttons(root: Client, drill: Any) -> None:
    job = services.create_job("drill")
    assert root.post(f"/maintenance/{job.pk}/cancel/").status_code == 302
    assert "Run again" in root.get(f"/maintenance/{job.pk}/").text
    root.post(f"/maintenance/{job.pk}/retry/")
    assert MaintenanceJob.objects.get().state == "queued"
    told = root.post(f"/maintenance/{job.pk}/retry/", follow=True).text
    assert "cannot be run again" in told
    assert "has no plan" in root.post(f"/maintenance/{job.pk}/run-plan/", follow=True).text


@pytest.mark.parametrize("path", ["", "new/drill/", "{id}/", "{id}/cancel/", "{id}/retry/", "{id}/run-plan/"])
def test_other_people_are_told_why_not(path: str, planned: Any, people: Any, client: Client) -> None:
    verb = client.post if path.count("/") > 1 and "new" not in path else client.get
    url = f"/maintenance/{path.format(id=planned.pk)}"
    assert "/accounts/login/" in verb(url)["Location"]
    client.force_login(people.alice)
    answer = verb(url)
    assert answer.status_code == 403
    assert WHY_NOT.replace("'", "&#x27;") in answer.text
    assert MaintenanceJob.objects.count() == 1


@pytest.mark.parametrize("path", ["new/nothing/", "00000000-0000-0000-0000-000000000000/"])
def test_what_is_not_there_is_404(root: Client, path: str) -> None:
    assert root.get(f"/maintenance/{path}").status_code == 404


def test_only_superusers_find_it_in_the_navigation(client: Client, people: Any, archive_db: Any) -> None:
    client.force_login(people.alice)
    assert 'href="/maintenance/"' not in client.get("/").text
    client.force_login(people.root)
    assert 'href="/maintenance/"' in client.get("/").text
