"""The pages of presets and schedules, without scripts: everything can be done with forms and links."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from exports import presets, schedules
from exports.models import ExportJob, Preset, Schedule


@pytest.fixture(autouse=True)
def _archive(archive_db: Any, artifacts_dir: Any) -> None:
    """An empty archive."""


@pytest.fixture
def preset(people: Any) -> Preset:
    return presets.create_preset(people.alice, {"name": "Nightly", "format": "jsonl", "filter": {"period": "7d"}})


@pytest.fixture
def schedule(people: Any, preset: Preset) -> Schedule:
    return schedules.create_schedule(people.alice, {"preset": preset.pk, "timezone": "Asia/Tokyo"})


def text(response: Any) -> str:
    return str(response.content.decode())


RULE = {"frequency": "daily", "weekday": "0", "monthday": "1", "timeOfDay": "04:30", "timezone": "Europe/Berlin"}


def test_empty_lists_say_what_to_do(alice: Client) -> None:
    page = text(alice.get("/exports/presets/"))
    assert "No presets yet" in page
    assert "/exports/new/" in page
    page = text(alice.get("/exports/schedules/"))
    assert "No schedules yet" in page
    assert "save it as a preset" in page


def test_with_a_preset_the_empty_list_leads_to_a_schedule(alice: Client, preset: Preset) -> None:
    assert "/exports/schedules/new/" in text(alice.get("/exports/schedules/"))


@pytest.mark.parametrize("path", ["/exports/", "/exports/presets/", "/exports/schedules/"])
def test_tabs_lead_from_one_list_to_the_others(alice: Client, path: str) -> None:
    page = text(alice.get(path))
    assert f'<a href="{path}" aria-current="page">' in page
    assert page.count('aria-current="page"') == 2  # and "Exports" in the head of the page


def test_the_form_of_an_export_is_saved_under_a_name_in_two_steps(alice: Client) -> None:
    fields = {"format": "csv", "period": "last-week", "model": ["a", "b"], "compression": "gzip", "session": ""}
    asked = alice.post("/exports/presets/new/", fields)
    page = text(asked)
    assert asked.status_code == 200
    for name, value in (("format", "csv"), ("period", "last-week"), ("model", "a"), ("model", "b")):
        assert f'<input type="hidden" name="{name}" value="{value}">' in page
    assert not Preset.objects.exists()
    saved = alice.post("/exports/presets/new/", {**fields, "name": "Weekly", "shared": "on"})
    made = Preset.objects.get()
    assert saved["Location"] == f"/exports/presets/{made.pk}/"
    assert (made.name, made.is_shared, made.format) == ("Weekly", True, "csv")
    assert made.filter == {"period": "last-week", "model": ["a", "b"]}
    assert made.choices == {"compression": "gzip"}


def test_an_address_can_be_saved_too_and_is_only_text(alice: Client) -> None:
    page = text(alice.get('/exports/presets/new/?format=json&text="><script>alert(1)</script>&evil=1'))
    assert "<script>alert" not in page
    assert 'name="evil"' not in page


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"name": "a\x00b"}, {"format": "pdf"}, {"period": "soon"}, {"name": "x" * 101}, {"format": ""}]
)
def test_what_is_wrong_is_told_where_it_is_asked_for(alice: Client, fields: dict[str, str]) -> None:
    response = alice.post("/exports/presets/new/", {"name": "x", "format": "json", **fields})
    assert response.status_code == 400
    assert "errorlist" in text(response) or "callout--error" in text(response)
    assert not Preset.objects.exists()


def test_a_name_that_is_taken_is_told(alice: Client, preset: Preset) -> None:
    response = alice.post("/exports/presets/new/", {"name": "Nightly", "format": "json"})
    assert response.status_code == 400
    assert "already" in text(response)


def test_a_preset_is_used_renamed_shared_and_deleted_from_its_page(alice: Client, preset: Preset) -> None:
    where = f"/exports/presets/{preset.pk}/"
    page = text(alice.get(where))
    assert "<dt>Period</dt><dd>7d</dd>" in page
    begun = alice.post(f"{where}export/")
    assert begun["Location"] == f"/exports/{ExportJob.objects.get().pk}/"
    assert alice.post(where, {"name": "Weekly", "shared": "on"}).status_code == 302
    preset.refresh_from_db()
    assert (preset.name, preset.is_shared) == ("Weekly", True)
    assert "Weekly" in text(alice.get("/exports/presets/"))
    assert "Delete it" in text(alice.get(f"{where}delete/"))
    assert alice.post(f"{where}delete/").status_code == 302
    assert not Preset.objects.exists()


def test_a_preset_that_cannot_be_used_says_so_on_its_page(alice: Client, preset: Preset) -> None:
    Preset.objects.update(format="pdf")
    page = text(alice.post(f"/exports/presets/{preset.pk}/export/", follow=True))
    assert "can no longer be used" in page
    assert not ExportJob.objects.exists()


def test_a_preset_that_a_schedule_makes_stays(alice: Client, schedule: Schedule) -> None:
    page = text(alice.post(f"/exports/presets/{schedule.preset_id}/delete/", follow=True))
    assert "Delete the schedules first" in page


def test_a_schedule_is_made_changed_and_deleted(alice: Client, preset: Preset) -> None:
    assert f'<option value="{preset.pk}" selected>' in text(alice.get(f"/exports/schedules/new/?preset={preset.pk}"))
    made = alice.post("/exports/schedules/new/", {"preset": preset.pk, "skipsEmpty": "on", **RULE})
    assert made["Location"] == "/exports/schedules/"
    schedule = Schedule.objects.get()
    assert (schedule.skips_empty, str(schedule.rule)) == (True, "every day at 04:30 Europe/Berlin")
    where = schedule.get_absolute_url()
    assert 'value="04:30"' in text(alice.get(where))
    assert alice.post(where, {"preset": preset.pk, **RULE, "timeOfDay": "05:00"}).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.skips_empty, str(schedule.rule)) == (False, "every day at 05:00 Europe/Berlin")
    assert alice.get("/exports/schedules/new/").context["form"]["timezone"].value() == "Europe/Berlin"
    assert "Delete it" in text(alice.get(f"{where}delete/"))
    alice.post(f"{where}delete/")
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [{"timezone": "../../etc"}, {"timeOfDay": "25:00"}, {"frequency": "hourly"}, {"preset": "0"}, {"weekday": "9"}, {"timezone": "\x00"}],
)
def test_a_wrong_schedule_is_told_beside_the_field(alice: Client, schedule: Schedule, fields: dict[str, str]) -> None:
    for path in ("/exports/schedules/new/", schedule.get_absolute_url()):
        response = alice.post(path, {"preset": schedule.preset_id, **RULE, **fields})
        assert response.status_code == 400
        assert "errorlist" in text(response)
    assert Schedule.objects.count() == 1


def test_the_list_says_when_it_is_due_and_what_came_of_it(alice: Client, schedule: Schedule, people: Any) -> None:
    page = text(alice.get("/exports/schedules/"))
    assert "every Monday at 03:00 Asia/Tokyo" in page
    assert f"{schedule.next_at:%Y-%m-%d %H:%M} UTC" in page
    assert "not yet" in page
    slot = datetime(2025, 3, 10, 3, tzinfo=UTC)
    job = ExportJob.objects.create(owner=people.alice, format="json", schedule=schedule, slot=slot, state="completed")
    Schedule.objects.update(last_at=slot)
    page = text(alice.get("/exports/schedules/"))
    assert "badge--completed" in page
    assert job.get_absolute_url() in page
    assert job.get_absolute_url() in text(alice.get(schedule.get_absolute_url()))
    Schedule.objects.update(last_note="Skipped: nothing matched.")
    page = text(alice.get("/exports/schedules/"))
    assert "Skipped" in page and "nothing matched." in page


def test_it_is_run_and_switched_from_the_list(alice: Client, schedule: Schedule) -> None:
    where = schedule.get_absolute_url()
    begun = alice.post(f"{where}run/")
    job = ExportJob.objects.get()
    assert begun["Location"] == job.get_absolute_url()
    assert "every Monday at 03:00 Asia/Tokyo" in text(alice.get(begun["Location"]))
    for enabled, word in (("false", "Switch on"), ("true", "Switch off")):
        assert alice.post(f"{where}switch/", {"enabled": enabled}).status_code == 302
        assert word in text(alice.get("/exports/schedules/"))
    assert alice.post(f"{where}switch/", {"enabled": "maybe"}).status_code == 302
    schedule.refresh_from_db()
    assert schedule.is_enabled


def test_one_that_stopped_says_why_and_what_to_do(alice: Client, schedule: Schedule) -> None:
    Schedule.objects.update(is_enabled=False, stopped_because="Its owner, alice, is no longer staff.")
    page = text(alice.get(schedule.get_absolute_url()))
    assert "It has stopped itself." in page
    assert "is no longer staff." in page
    assert "switch it on" in page


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", ["presets/{preset}/", "presets/{preset}/export/", "presets/{preset}/delete/",
    "schedules/{schedule}/", "schedules/{schedule}/run/", "schedules/{schedule}/switch/", "schedules/{schedule}/delete/"])  # fmt: skip
def test_other_peoples_pages_are_not_there(
    client: Client, people: Any, schedule: Schedule, path: str, method: str
) -> None:
    client.force_login(people.bob)
    address = "/exports/" + path.format(preset=schedule.preset_id, schedule=schedule.pk)
    assert getattr(client, method)(address).status_code in ((404, 405) if method == "get" else (404,))
    assert Schedule.objects.get().is_enabled
    client.force_login(people.charlie)
    assert getattr(client, method)(address).status_code in (302, 405)


def test_a_shared_preset_is_used_by_others_who_cannot_change_it(client: Client, people: Any, preset: Preset) -> None:
    presets.change_preset(people.alice, preset, {"shared": True})
    client.force_login(people.bob)
    where = f"/exports/presets/{preset.pk}/"
    page = text(client.get(where))
    assert "Of alice, shared with all staff." in page
    assert "delete/" not in page
    assert client.post(f"{where}export/").status_code == 302
    assert client.post(where, {"name": "Mine"}).status_code == 403
    assert client.post(f"{where}delete/").status_code == 403
    assert Preset.objects.get().name == "Nightly"


def test_the_admin_shows_them_and_acts_on_schedules(client: Client, people: Any, schedule: Schedule) -> None:
    client.force_login(people.bob)
    assert "Nightly" not in text(client.get("/admin/exports/preset/"))
    client.force_login(people.alice)
    assert "Nightly" in text(client.get("/admin/exports/preset/"))
    assert client.get(f"/admin/exports/schedule/{schedule.pk}/change/").status_code == 200
    for action in ("run_now", "switch_off"):
        client.post("/admin/exports/schedule/", {"action": action, "_selected_action": schedule.pk})
    assert ExportJob.objects.get().schedule == schedule
    schedule.refresh_from_db()
    assert not schedule.is_enabled
    client.post("/admin/exports/schedule/", {"action": "switch_on", "_selected_action": schedule.pk})
    schedule.refresh_from_db()
    assert schedule.is_enabled
