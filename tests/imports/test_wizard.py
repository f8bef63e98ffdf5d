"""The steps of an import in preparation: each page, what it keeps, and whose it is."""

import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from imports import drafts, services, tasks
from imports.models import ImportDraft, ImportJob, Upload
from tests.imports.conftest import logged_in
from tests.imports.transcripts import transcript

STEPS = ("format", "mapping", "preview", "options")
VERBS = ("run", "reopen", "again", "roll-back")
OPTIONS = {"conflict": "keep-both", "mode": "keep-good", "max_errors": "10", "reject_percent": "10"}


@pytest.fixture(autouse=True)
def _servers(archive_db, redis_server):
    """Pages show what the archive holds."""


def begin(tus, body=None, name="talk.jsonl") -> str:
    """Send a file and begin its draft; where its steps are."""
    upload = tus.send(transcript(6) if body is None else body, name)
    answer = tus.client.post("/imports/new/", {"upload": upload, "then": "draft"})
    assert answer.status_code == 302, answer.content
    return answer["Location"].removesuffix("format/")


def page(tus, address, status=200) -> str:
    answer = tus.client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def post(tus, address, data, status=302):
    answer = tus.client.post(address, data)
    assert answer.status_code == status, answer.content.decode()
    return answer


def finished(address) -> ImportJob:
    """The job of an address, run to its end."""
    job = ImportJob.objects.get(pk=address.rstrip("/").rsplit("/", 1)[-1])
    services.run_import(job)
    job.refresh_from_db()
    return job


def go(tus, steps, **options) -> ImportJob:
    return finished(post(tus, f"{steps}options/", OPTIONS | options)["Location"])


# ---------------------------------------------------------------------- the way


def test_chosen_files_lead_through_the_steps_to_an_import(alice):
    steps = begin(alice)
    assert "Claude Code transcript" in page(alice, f"{steps}format/")
    assert post(alice, f"{steps}format/", {"format": ""})["Location"] == f"{steps}preview/"
    found = page(alice, f"{steps}preview/")
    assert "<dt>New</dt><dd>6</dd>" in found
    assert "All 6 records that the files hold" in found
    assert "Import now" in page(alice, f"{steps}options/")
    job = go(alice, steps, conflict="skip", max_errors="3")
    assert (job.state, job.counts["inserted"]) == ("completed", 6)
    assert job.parameters["options"] | {"conflict": "skip", "max_errors": 3, "dry_run": False} == job.parameters["options"]


def test_the_step_where_one_is_is_marked_and_those_behind_can_be_gone_back_to(alice):
    steps = begin(alice)
    assert page(alice, f"{steps}preview/").count('aria-current="step"') == 1
    assert f'href="{steps}format/"' in page(alice, f"{steps}preview/")
    assert f'href="{steps}options/"' not in page(alice, f"{steps}format/")


def test_a_form_without_scripts_brings_files_to_the_steps(alice):
    answer = alice.client.post("/imports/new/", {"file": SimpleUploadedFile("a.jsonl", transcript()), "then": "draft"})
    assert answer["Location"].endswith("/format/")
    assert ImportJob.objects.count() == 0


def test_many_uploads_come_in_one_value(alice):
    ids = [alice.send(transcript(2, str(uuid4())), f"{number}.jsonl") for number in range(3)]
    answer = alice.client.post("/imports/new/", {"upload": " ".join(ids)})
    assert len(ImportDraft.objects.get().uploads) == 3
    assert "3 × Claude Code transcript" in page(alice, answer["Location"])


def test_what_was_chosen_is_there_when_one_comes_back(alice):
    steps = begin(alice)
    post(alice, f"{steps}format/", {"format": "claude-code"})
    assert 'value="claude-code" selected' in page(alice, f"{steps}format/")
    refused = post(alice, f"{steps}options/", OPTIONS | {"conflict": "replace", "max_errors": "-1"}, 400)
    assert 'value="replace" required checked' in refused.content.decode()


def test_options_that_were_refused_by_the_import_are_kept(alice):
    first, second = begin(alice), begin(alice)
    post(alice, f"{first}options/", OPTIONS)
    refused = post(alice, f"{second}options/", OPTIONS | {"conflict": "skip"}, 400)
    assert "The same content is being imported right now." in refused.content.decode()
    assert 'value="skip" required checked' in page(alice, f"{second}options/")


def test_a_draft_that_became_an_import_leads_to_it(alice):
    steps = begin(alice)
    job = go(alice, steps)
    for step in STEPS:
        assert alice.client.get(f"{steps}{step}/")["Location"] == f"/imports/{job.pk}/"
    assert post(alice, f"{steps}options/", OPTIONS)["Location"] == f"/imports/{job.pk}/"
    assert ImportJob.objects.count() == 1


# ---------------------------------------------------------------------- each step


def test_a_refused_file_is_told_with_its_reason_beside_the_others(alice):
    ids = [alice.send(transcript(2), "good.jsonl"), alice.send(b"hello\nworld\n", "odd.jsonl")]
    steps = post(alice, "/imports/new/", {"upload": ids})["Location"].removesuffix("format/")
    for step in ("format", "preview"):
        told = page(alice, f"{steps}{step}/")
        assert "odd.jsonl" in told
        assert "Claude Code" in told
    assert f"{steps}options/" in page(alice, f"{steps}preview/")


def test_where_nothing_can_be_read_the_way_ends_at_the_preview(alice):
    steps = begin(alice, b"hello\nworld\n")
    found = page(alice, f"{steps}preview/")
    assert "None of these files can be imported" in found
    assert f'"btn btn--primary" href="{steps}options/"' not in found


def test_a_format_that_does_not_fit_is_refused_at_its_field(alice):
    steps = begin(alice)
    told = post(alice, f"{steps}format/", {"format": "claude-ai"}, 400).content.decode()
    assert "cannot be read as" in told
    assert 'value="claude-ai" selected' in told
    assert "There is no format" in post(alice, f"{steps}format/", {"format": "nope"}, 400).content.decode()
    assert ImportDraft.objects.get().options == {}


def test_a_file_that_is_known_is_told_so(alice):
    first = begin(alice)
    job = go(alice, first)
    told = page(alice, f"{begin(alice)}format/")
    assert f"/imports/{job.pk}/" in told
    assert "0 new expected" in told


def test_a_file_that_somebody_else_imported_is_told_as_held(alice, bob):
    go(alice, begin(alice))
    told = page(bob, f"{begin(bob)}format/")
    assert "held by the archive already, 0 new expected" in told
    assert str(ImportJob.objects.get().pk) not in told


def test_a_container_s_files_are_told_each(alice, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("one.jsonl", transcript(2, str(uuid4())))
        made.writestr("two.jsonl", transcript(2, str(uuid4())))
        made.writestr("photo.png", b"x")
    told = page(alice, f"{begin(alice, (tmp_path / 'a.zip').read_bytes(), 'a.zip')}format/")
    assert "2 × Claude Code transcript" in told
    assert "one.jsonl" in told
    assert "1 other file inside is passed over" in told


def test_of_hundreds_of_files_the_first_are_shown_with_their_number(alice, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for number in range(230):
            made.writestr(f"{number}.jsonl", transcript(1, str(uuid4())))
    told = page(alice, f"{begin(alice, (tmp_path / 'a.zip').read_bytes(), 'a.zip')}format/")
    assert "of 230 files were looked at" in told
    assert 1 <= told.count('data-label="Format"') <= 200


def test_the_preview_groups_what_cannot_be_read_and_shows_nothing_that_runs(alice):
    lines = transcript(2, text="<script>alert(1)</script>") + b"<script>bad\n// note\n{worse\n"
    found = page(alice, f"{begin(alice, lines)}preview/")
    assert "2 × not JSON" in found
    assert "1 × comment" in found
    assert "<dt>Not readable</dt><dd>3</dd>" in found
    assert "<script>alert(1)" not in found
    assert "&lt;script&gt;alert(1)" in found


def test_long_messages_are_folded(alice):
    found = page(alice, f"{begin(alice, transcript(2, text='word ' * 400))}preview/")
    assert "<details" in found
    assert found.count("word " * 300) == 2


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("conflict", "sometimes", "Select a valid choice"),
        ("mode", "", "This field is required"),
        ("max_errors", "-1", "greater than or equal to 0"),
        ("max_errors", "many", "whole number"),
        ("reject_percent", "101", "less than or equal to 100"),
        ("reject_percent", "nan", "Enter a number"),
    ],
)
def test_a_wrong_option_is_told_at_its_field(alice, field, value, told):
    answer = post(alice, f"{begin(alice)}options/", OPTIONS | {field: value}, 400)
    assert told in answer.content.decode()
    assert ImportJob.objects.count() == 0


# ---------------------------------------------------------------------- columns

TABLE = b"Ticket,Sent on,Speaker,Body\nT-1,13.03.2026 09:00,customer,The parcel did not arrive\nT-1,14.03.2026 09:05,agent,We look for it\n"
COLUMNS = {"text": "Body", "role": "Speaker", "time": "Sent on", "session": "Ticket", "time_format": "day-first"}


def table(tus, body=TABLE, form="csv") -> str:
    """Begin the draft of a table and choose its format; where its steps are."""
    steps = begin(tus, body, "support.csv")
    assert post(tus, f"{steps}format/", {"format": form})["Location"] == f"{steps}mapping/"
    return steps


def test_a_table_s_columns_are_named_with_examples_and_the_reason(alice):
    told = page(alice, f"{table(alice)}mapping/")
    assert '<option value="Body" selected>' in told
    assert "is called like" in told
    assert "<li>The parcel did not arrive</li>" in told
    assert "required</span>" in told


def test_columns_that_were_chosen_are_imported_and_kept(alice, archive_db):
    steps = table(alice)
    assert post(alice, f"{steps}mapping/", COLUMNS)["Location"] == f"{steps}preview/"
    assert "<dt>New</dt><dd>2</dd>" in page(alice, f"{steps}preview/")
    kept = page(alice, f"{steps}mapping/")
    assert '<option value="Ticket" selected>' in kept
    assert '<option value="day-first" selected>' in kept
    job = go(alice, steps)
    assert job.counts["inserted"] == 2
    found = list(archive_db["messages_current"].find().sort("seq", 1))
    assert [(each["sessionId"], each["text"], each["timestamp"].day) for each in found] == [
        ("T-1", "The parcel did not arrive", 13), ("T-1", "We look for it", 14),
    ]
    assert "time: Sent on" in page(alice, f"/imports/{job.pk}/")


def test_a_pattern_of_the_time_is_taken_and_kept(alice):
    steps = table(alice)
    post(alice, f"{steps}mapping/", COLUMNS | {"time_format": "", "time_pattern": "%d.%m.%Y %H:%M"})
    assert 'value="%d.%m.%Y %H:%M"' in page(alice, f"{steps}mapping/")
    assert "2026-03-13 09:00 UTC" in page(alice, f"{steps}preview/")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("text", "", "This field is required"),
        ("text", "Nowhere", "Select a valid choice"),
        ("time_format", "sometimes", "Select a valid choice"),
        ("time_pattern", "tomorrow", "This is no pattern for times"),
    ],
)
def test_a_wrong_column_is_told_at_its_field(alice, field, value, told):
    steps = table(alice)
    answer = post(alice, f"{steps}mapping/", COLUMNS | {field: value}, 400)
    assert told in answer.content.decode()
    assert "mapping" not in ImportDraft.objects.get().options or not ImportDraft.objects.get().options["mapping"]


def test_values_that_do_not_fit_their_column_are_told_in_the_preview(alice):
    steps = table(alice)
    post(alice, f"{steps}mapping/", COLUMNS | {"time_format": "seconds"})
    told = page(alice, f"{steps}preview/")
    assert "<dt>Not readable</dt><dd>2</dd>" in told
    assert "seconds since 1970" in told


def test_another_format_forgets_the_columns(alice):
    steps = table(alice)
    post(alice, f"{steps}mapping/", COLUMNS)
    post(alice, f"{steps}format/", {"format": ""})
    assert ImportDraft.objects.get().options["mapping"] == {}


def test_where_there_are_no_columns_the_step_is_passed_by(alice):
    steps = begin(alice)
    assert alice.client.get(f"{steps}mapping/")["Location"] == f"{steps}preview/"
    assert f"{steps}mapping/" not in page(alice, f"{steps}options/")


# ---------------------------------------------------------------------- dry run, again, undo


def test_a_dry_run_changes_nothing_and_is_then_done_as_planned(alice, archive_db):
    plan = go(alice, begin(alice), then="dry-run")
    told = page(alice, f"/imports/{plan.pk}/")
    assert "This was a dry run: nothing was changed" in told
    assert "6 would be new" in told
    assert archive_db["messages_current"].count_documents({}) == 0
    job = finished(post(alice, f"/imports/{plan.pk}/run/", {})["Location"])
    assert job.counts["inserted"] == 6
    assert "It came out as its dry run said." in page(alice, f"/imports/{job.pk}/")


def test_where_an_import_differs_from_its_dry_run_both_figures_are_told(alice):
    plan = go(alice, begin(alice), then="dry-run")
    longer = transcript(9)
    go(alice, begin(alice, longer))
    job = finished(post(alice, f"/imports/{plan.pk}/run/", {})["Location"])
    told = page(alice, f"/imports/{job.pk}/")
    assert "It came out otherwise than its dry run" in told
    assert '<th scope="row">New</th><td class="num">6</td><td class="num">0</td>' in told


def test_after_a_dry_run_one_may_choose_otherwise(alice):
    plan = go(alice, begin(alice), then="dry-run", conflict="fail")
    steps = post(alice, f"/imports/{plan.pk}/reopen/", {})["Location"].removesuffix("format/")
    assert 'value="fail" required checked' in page(alice, f"{steps}options/")
    assert go(alice, steps).counts["inserted"] == 6
    told = alice.client.post(f"/imports/{plan.pk}/run/", follow=True).content.decode()
    assert "no longer kept" in told


def test_an_import_that_was_no_dry_run_is_not_run_again(alice):
    job = go(alice, begin(alice))
    for verb in ("run", "reopen"):
        told = alice.client.post(f"/imports/{job.pk}/{verb}/", follow=True).content.decode()
        assert "was no dry run" in told


def test_rejected_records_are_downloaded_and_tried_again_alone(alice):
    job = go(alice, begin(alice, transcript(4) + b"{bad\n"))
    told = page(alice, f"/imports/{job.pk}/")
    for form in ("jsonl", "csv"):
        assert f"/api/v1/imports/{job.pk}/rejected/download/?as={form}" in told
    steps = post(alice, f"/imports/{job.pk}/again/", {})["Location"]
    assert steps.startswith("/imports/drafts/")
    assert f"rejected-{str(job.pk)[:8]}" in page(alice, steps)


def test_where_nothing_was_rejected_nothing_is_tried_again(alice):
    job = go(alice, begin(alice))
    assert f"/imports/{job.pk}/again/" not in page(alice, f"/imports/{job.pk}/")
    told = alice.client.post(f"/imports/{job.pk}/again/", follow=True).content.decode()
    assert "No record of this import can be tried again." in told


# ---------------------------------------------------------------------- drafts by themselves


def test_a_draft_is_found_again_where_files_are_chosen_and_its_files_only_there(alice, bob):
    steps = begin(alice)
    told = page(alice, "/imports/new/")
    assert f"{steps}format/" in told
    assert "Sent, but not imported" not in told
    assert steps not in page(bob, "/imports/new/")


def test_a_draft_is_given_up_with_its_files(alice):
    steps = begin(alice)
    upload = Upload.objects.get()
    assert upload.path.exists()
    assert post(alice, f"{steps}discard/", {})["Location"] == "/imports/new/"
    assert not upload.path.exists()
    page(alice, f"{steps}format/", 404)


@pytest.mark.parametrize("step", STEPS)
def test_a_draft_whose_files_have_expired_says_so_on_every_page(alice, step):
    steps = begin(alice)
    ImportDraft.objects.update(needs_mapping=True)
    Upload.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    answer = alice.client.get(f"{steps}{step}/") if step != "options" else alice.client.post(f"{steps}{step}/", OPTIONS)
    assert answer.status_code in (400, 410)
    assert "This upload has expired." in answer.content.decode()


def test_drafts_expire_when_uploads_do(alice, settings):
    begin(alice)
    assert drafts.expire_drafts() == 0
    late = timezone.now() - timedelta(hours=settings.CLAUDELENS_UPLOAD_EXPIRY_HOURS + 1)
    ImportDraft.objects.update(updated_at=late)
    tasks.expire_uploads()
    assert ImportDraft.objects.count() == 0


# ---------------------------------------------------------------------- whose it is


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "delete"])
@pytest.mark.parametrize("step", [*STEPS, "discard"])
def test_somebody_elses_draft_is_404_for_every_verb(alice, bob, step, method):
    steps = begin(alice)
    answer = getattr(bob.client, method)(f"{steps}{step}/")
    assert answer.status_code in (404, 405)
    assert b"talk.jsonl" not in answer.content
    assert ImportDraft.objects.filter(owner__username="alice", options={}).exists()
    assert Upload.objects.get().path.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_somebody_elses_import_is_404_for_every_verb(alice, bob, verb):
    job = go(alice, begin(alice, transcript(4) + b"{bad\n"))
    assert bob.client.get(f"/imports/{job.pk}/{verb}/").status_code in (404, 405)
    assert bob.client.post(f"/imports/{job.pk}/{verb}/").status_code == 404
    assert ImportJob.objects.count() == 1


def test_somebody_elses_upload_makes_no_draft(alice, bob):
    upload = alice.send(transcript())
    answer = bob.client.post("/imports/new/", {"upload": upload})
    assert answer.status_code == 400
    assert b"There is no such upload." in answer.content


def test_a_superuser_sees_and_runs_another_s_draft_for_its_owner(alice, people):
    steps = begin(alice)
    root = logged_in(people.root)
    assert root.get(f"{steps}preview/").status_code == 200
    root.post(f"{steps}options/", OPTIONS)
    assert ImportJob.objects.get().owner == people.alice


@pytest.mark.parametrize("step", [*STEPS, "discard"])
def test_only_staff_has_drafts(alice, people, step):
    steps = begin(alice)
    for client in (Client(), logged_in(people.charlie)):
        answer = client.post(f"{steps}{step}/")
        assert answer.status_code in (302, 405)
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/")
    assert ImportDraft.objects.count() == 1


def test_a_form_of_another_site_is_refused(people, alice):
    steps = begin(alice)
    strict = logged_in(people.alice, enforce_csrf_checks=True)
    assert strict.post(f"{steps}options/", OPTIONS).status_code == 403
    assert ImportJob.objects.count() == 0


def test_the_admin_shows_drafts_to_whom_they_belong(alice, bob, people):
    begin(alice)
    draft = ImportDraft.objects.get()
    for client, is_shown in ((alice.client, True), (bob.client, False), (logged_in(people.root), True)):
        assert (b"talk.jsonl" in client.get("/admin/imports/importdraft/").content) is is_shown
    assert alice.client.get(f"/admin/imports/importdraft/{draft.pk}/change/").status_code == 200
    assert alice.client.post(f"/admin/imports/importdraft/{draft.pk}/change/", {}).status_code == 403
