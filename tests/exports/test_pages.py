"""The pages of exports, without scripts: everything can be done with forms and links."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from exports.choices import FIELDS as CHOICES
from exports.filters import FIELDS as FILTERS
from exports.filters import asked_of
from exports.forms import ExportForm
from exports.models import Artifact, ExportJob, Preset
from exports.renderers import RENDERERS
from exports.services import run_export


@pytest.fixture
def alice(client: Client, people: Any, archive_db: Any, artifacts_dir: Any) -> Client:
    client.force_login(people.alice)
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


def test_the_empty_list_invites(alice: Client) -> None:
    page = text(alice.get("/exports/"))
    assert "No exports yet" in page
    assert "/exports/new/" in page


def test_the_form_says_what_each_format_is_and_loses(alice: Client) -> None:
    page = text(alice.get("/exports/new/"))
    for name in ("claude-code", "json", "jsonl"):
        assert f'value="{name}"' in page
    for renderer in RENDERERS.values():
        assert escape(renderer.loses[0]) in page
    assert 'type="date"' in page


def test_an_export_is_made_and_shown(alice: Client) -> None:
    response = alice.post("/exports/new/", {"format": "json", "since": "2025-01-01"})
    job = ExportJob.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"/exports/{job.pk}/"
    assert job.filter["since"].startswith("2025-01-01")
    assert "Queued" in text(alice.get(response["Location"]))
    run_export(job)
    page = text(alice.get(response["Location"]))
    assert job.artifact.sha256 in page
    assert f"/exports/{job.pk}/download/" in page
    assert "this file is valid, and empty" in page
    assert "/exports/new/?format=json&amp;since=2025-01-01" in page
    assert f"/exports/{job.pk}/download/" in text(alice.get("/exports/"))


def test_counting_makes_no_export(alice: Client) -> None:
    page = text(alice.post("/exports/new/", {"format": "json", "count": "1"}))
    assert "the export would be empty" in page
    assert not ExportJob.objects.exists()


@pytest.mark.parametrize(
    "asked",
    [
        {"format": "pdf"},
        {},
        {"format": "json", "since": "yesterday"},
        {"format": "json", "since": "2025-02-01", "until": "2025-01-01"},
        {"format": "json", "project": "nowhere"},
        {"format": "json", "session": "a\x00b"},
    ],
)
def test_what_cannot_be_meant_is_told_on_the_form(alice: Client, asked: dict[str, str]) -> None:
    response = alice.post("/exports/new/", asked)
    assert response.status_code == 400
    assert "errorlist" in text(response) or "callout--error" in text(response)
    assert not ExportJob.objects.exists()


def test_the_form_can_be_filled_by_its_address(alice: Client) -> None:
    page = text(alice.get("/exports/new/?format=jsonl&since=2025-01-31&session=abc&project=evil%22%3E"))
    assert 'value="2025-01-31"' in page
    assert ">\nabc</textarea>" in page
    assert 'evil">' not in page


def test_every_word_of_filters_and_choices_has_a_field() -> None:
    assert set(ExportForm.base_fields) == {"format", *FILTERS, *CHOICES}


def test_an_export_is_made_as_the_whole_form_says(alice: Client, tree: Any) -> None:
    asked = {
        "format": "csv", "source": ["claude-code", "claude-ai"], "period": "last-month", "timezone": "Europe/Berlin",
        "text": "a < b", "subagents": "no", "minCost": "0.5", "tool": "Bash\n\n Read \n", "session": "a\nb",
        "without": ["thinking", "images"], "redact": "secrets", "patterns": "x+, y\nz", "rows": "messages",
        "columns": "id\ntext", "guardFormulas": "false", "compression": "gzip", "level": "9", "split": "month",
    }  # fmt: skip
    assert alice.post("/exports/new/", asked).status_code == 302
    job = ExportJob.objects.get()
    assert asked_of(job.filter) == {
        "source": ["claude-code", "claude-ai"], "period": "last-month", "timezone": "Europe/Berlin",
        "text": "a < b", "subagents": "no", "minCost": "0.5", "tool": ["Bash", "Read"], "session": ["a", "b"],
    }  # fmt: skip
    assert job.choices == {
        "without": ["thinking", "images"], "redact": ["secrets"], "patterns": ["x+, y", "z"], "rows": "messages",
        "columns": ["id", "text"], "guardFormulas": False, "compression": "gzip", "level": 9, "split": "month",
    }  # fmt: skip
    again = alice.get(text_of_link(text(alice.get(job.get_absolute_url())), "Export again"))
    assert again.context["form"].initial["columns"] == ["id", "text"]
    assert text(again).count(" checked") == 1 + 2 + 2 + 1


def text_of_link(page: str, words: str) -> str:
    """The address of the link with these words."""
    return unescape(re.search(rf'href="([^"]+)">{words}<', page)[1])


def test_what_a_format_does_not_take_is_left_away(alice: Client) -> None:
    asked = {"format": "json", "rows": "sessions", "columns": "id", "layout": "each", "compression": "none"}
    assert alice.post("/exports/new/", asked).status_code == 302
    assert ExportJob.objects.get().choices == {}


def test_a_form_becomes_a_preset_and_a_preset_fills_the_form(alice: Client, people: Any) -> None:
    asked = {"format": "csv", "type": ["user", "assistant"], "columns": "id\ntext", "preset": "1"}
    page = alice.post("/exports/new/", asked, follow=True)
    assert page.redirect_chain[0][0].startswith("/exports/presets/new/?")
    fields = [*page.context["fields"], ("name", "Mine")]
    given = {word: [value for name, value in fields if name == word] for word, _ in fields}
    assert alice.post("/exports/presets/new/", given).status_code == 302
    preset = Preset.objects.get()
    assert (preset.filter, preset.choices) == ({"type": ["user", "assistant"]}, {"columns": ["id", "text"]})
    form = alice.get(f"/exports/new/?preset={preset.pk}").context["form"]
    assert form["type"].value() == ["user", "assistant"]
    assert form["columns"].value() == "id\ntext"
    Preset.objects.update(owner=people.bob)
    assert alice.get(f"/exports/new/?preset={preset.pk}").status_code == 404


def test_an_expired_export_says_so(alice: Client) -> None:
    alice.post("/exports/new/", {"format": "json"})
    job = ExportJob.objects.get()
    run_export(job)
    Artifact.objects.update(expires_at="2020-01-01T00:00:00Z", state="expired")
    page = text(alice.get(job.get_absolute_url()))
    assert "This file is no longer kept." in page
    assert f"/exports/{job.pk}/download/" not in page
    assert "expired" in text(alice.get("/exports/"))


def test_cancel_and_retry_from_the_page(alice: Client) -> None:
    alice.post("/exports/new/", {"format": "json"})
    job = ExportJob.objects.get()
    for verb, state in (("cancel", "cancelled"), ("retry", "queued")):
        assert alice.post(f"/exports/{job.pk}/{verb}/").status_code == 302
        job.refresh_from_db()
        assert job.state == state
    assert alice.get(f"/exports/{job.pk}/cancel/").status_code == 405
    assert "cannot be run again" in text(alice.post(f"/exports/{job.pk}/retry/", follow=True))


def test_other_peoples_pages_are_not_there(client: Client, people: Any, artifacts_dir: Any) -> None:
    job = ExportJob.objects.create(owner=people.alice, format="json")
    client.force_login(people.bob)
    for verb in ("", "download/"):
        assert client.get(f"/exports/{job.pk}/{verb}").status_code == 404
    for verb in ("cancel/", "retry/"):
        assert client.post(f"/exports/{job.pk}/{verb}").status_code == 404
    assert str(job.pk) not in text(client.get("/exports/"))


def test_pages_are_for_staff(client: Client, people: Any) -> None:
    for person in (None, people.charlie):
        if person:
            client.force_login(person)
        for page in ("/exports/", "/exports/new/"):
            response = client.get(page)
            assert response.status_code == 302
            assert response["Location"].startswith("/accounts/login/")


def test_nothing_on_the_pages_is_inline(alice: Client) -> None:
    alice.post("/exports/new/", {"format": "json"})
    job = ExportJob.objects.get()
    run_export(job)
    for where in ("/exports/", "/exports/new/", f"/exports/{job.pk}/"):
        page = text(alice.get(where))
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick=" not in page


def test_the_admin_shows_jobs_and_artifacts(client: Client, people: Any, archive_db: Any, artifacts_dir: Any, kept: ExportJob) -> None:
    client.force_login(people.root)
    for page in ("exportjob", "artifact"):
        assert "claudelens" in text(client.get(f"/admin/exports/{page}/")).lower()
    assert client.get(f"/admin/exports/exportjob/{kept.pk}/change/").status_code == 200
    assert client.get(f"/admin/exports/artifact/{kept.artifact.pk}/change/").status_code == 200
    assert client.get("/admin/exports/artifact/add/").status_code == 403
