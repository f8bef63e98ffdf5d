"""Undoing as people ask for it, and as the mode all-or-nothing does: jobs, pages, API, command."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from archive import undo
from imports import rollback, services
from imports.models import ImportJob, Upload
from imports.outcomes import files_of
from jobs import runner
from jobs.progress import Progress
from jobs.states import JobState
from tests.imports.conftest import logged_in
from tests.imports.running import check
from tests.imports.test_import_api import IMPORTS, post, run
from tests.imports.test_rollback import everything, expect_same
from tests.imports.transcripts import transcript

OTHER = "6f1c0c3e-0000-4000-8000-000000000002"


@pytest.fixture(autouse=True)
def _servers(archive_db, redis_server):
    yield
    check(archive_db)


def imported(tus, data: bytes, name: str = "a.jsonl", **options) -> ImportJob:
    return run(post(tus, {"uploads": [tus.send(data, name)], "options": options}))


def work(job: ImportJob) -> ImportJob:
    """What the worker does with the job."""
    services.run_import(job)
    job.refresh_from_db()
    return job


# ------------------------------------------------------------------ asked for


def test_an_ended_import_is_rolled_back_over_the_api(alice, archive_db):
    before = everything(archive_db)
    job = imported(alice, transcript(6))
    address = f"{IMPORTS}{job.pk}/"
    assert alice.client.get(address).json()["canRollBack"] is True
    answer = alice.client.post(f"{address}roll-back/")
    assert (answer.status_code, answer.json()["state"]) == (202, "rolling_back")
    work(job)
    assert (job.state, job.error, job.exit_code) == (JobState.ROLLED_BACK, None, 130)
    expect_same(archive_db, before)
    shown = alice.client.get(address).json()
    assert (shown["canRollBack"], shown["canRetry"], shown["counts"]["inserted"]) == (False, False, 6)
    again = alice.client.post(f"{address}roll-back/")
    assert (again.status_code, again.json()["code"]) == (409, "job_not_undoable")
    assert imported(alice, transcript(6)).counts["inserted"] == 6


def test_what_later_imports_built_on_it_is_listed(alice, archive_db):
    first = imported(alice, transcript(4))
    second = imported(alice, transcript(8))
    before = everything(archive_db)
    refused = alice.client.post(f"{IMPORTS}{first.pk}/roll-back/")
    told = refused.json()
    assert (refused.status_code, told["code"], told["conflictCount"]) == (409, "rollback_conflict", 2)
    assert {each["kind"] for each in told["conflicts"]} == {"conversation", "file"}
    assert {each["import"] for each in told["conflicts"]} == {str(second.pk)}
    page = alice.client.get(f"/imports/{first.pk}/roll-back/").content.decode()
    assert str(second.pk) in page
    assert "<form" not in page.partition("page-header")[2]
    first.refresh_from_db()
    assert first.state == JobState.COMPLETED
    expect_same(archive_db, before)


def test_the_page_asks_before_it_undoes(alice, bob, archive_db):
    job = imported(alice, transcript(6))
    address = f"/imports/{job.pk}/roll-back/"
    assert address in alice.client.get(job.get_absolute_url()).content.decode()
    page = alice.client.get(address)
    assert b"Messages taken out</dt><dd>6" in page.content
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert alice.client.post(address)["Location"] == job.get_absolute_url()
    assert work(job).state == JobState.ROLLED_BACK
    assert address not in alice.client.get(job.get_absolute_url()).content.decode()
    assert [bob.client.get(address).status_code, bob.client.post(address).status_code] == [404, 404]
    assert bob.client.post(f"{IMPORTS}{job.pk}/roll-back/").status_code == 404


def test_a_page_for_an_import_that_cannot_be_undone_now_offers_nothing(alice):
    job = imported(alice, transcript(6))
    services.roll_back_import(job)
    work(job)
    assert [each["stateLabel"] for each in files_of(job)] == ["undone"]
    page = alice.client.get(f"/imports/{job.pk}/roll-back/").content.decode()
    assert "only an import that has ended can be undone, and once" in page


def test_the_admin_rolls_back_too(alice, people, archive_db):
    jobs = [imported(alice, transcript(4)), imported(alice, transcript(8))]
    client = logged_in(people.root)
    chosen = {"action": "roll_back_jobs", "_selected_action": [str(jobs[1].pk)]}
    assert client.post("/admin/imports/importjob/", chosen).status_code == 302
    assert work(jobs[1]).state == JobState.ROLLED_BACK
    assert archive_db.messages_current.count_documents({}) == 4


def test_a_failed_import_is_rolled_back_and_does_not_go_on(alice, archive_db):
    before = everything(archive_db)
    job = imported(alice, transcript(4) + b"{bad\n" * 3, max_errors=2)
    assert (job.state, job.error_code) == (JobState.FAILED, "too_many_rejected")
    assert "more than 2" in job.error_message
    services.roll_back_import(job)
    assert (work(job).state, job.error) == (JobState.ROLLED_BACK, None)
    expect_same(archive_db, before)
    assert not Upload.objects.get().path.exists()


def test_a_roll_back_that_was_killed_goes_on_whatever_the_job_s_row_says(alice, archive_db):
    before = everything(archive_db)
    job = imported(alice, transcript(6))
    services.roll_back_import(job)
    steps = undo.undo_import(str(job.pk), 50)
    next(steps)
    steps.close()
    # The reaper gave up on it, and somebody runs it again.
    ImportJob.objects.filter(pk=job.pk).update(state=JobState.FAILED, token=60)
    job.refresh_from_db()
    services.retry_import(job)
    assert work(job).state == JobState.ROLLED_BACK
    expect_same(archive_db, before)


def test_an_import_that_somebody_builds_on_meanwhile_ends_as_it_was(alice, archive_db):
    job = imported(alice, transcript(4))
    services.roll_back_import(job)
    imported(alice, transcript(8))
    assert work(job).state == JobState.COMPLETED
    assert archive_db.messages_current.count_documents({}) == 8
    assert any("Later imports built on this one" in line.text for line in job.log_lines())


def test_a_dry_run_has_nothing_to_undo(alice, archive_db):
    job = imported(alice, transcript(6), dry_run=True)
    assert job.can_roll_back is False
    refused = alice.client.post(f"{IMPORTS}{job.pk}/roll-back/")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_undoable")


# ------------------------------------------------------------------ all or nothing


def expect_nothing(job: ImportJob, *told: str) -> None:
    assert (job.state, job.error_code, job.exit_code) == (JobState.ROLLED_BACK, "not_all_good", 2)
    for each in told:
        assert each in job.error_message


def test_all_good_is_all_taken(alice):
    job = imported(alice, transcript(6), mode="all-or-nothing")
    assert (job.state, job.counts["inserted"]) == (JobState.COMPLETED, 6)


def test_one_rejected_record_and_nothing_is_taken(alice, archive_db, settings):
    settings.CLAUDELENS_BATCH_DOCS = 2
    imported(alice, transcript(4, OTHER), "b.jsonl")
    before = everything(archive_db)
    job = imported(alice, transcript(8) + b"{bad\n" + transcript(3, OTHER), mode="all-or-nothing")
    expect_nothing(job, "line 9", "double quotes")
    expect_same(archive_db, before)


def test_one_refused_file_and_nothing_is_taken(alice, archive_db):
    before = everything(archive_db)
    uploads = [alice.send(transcript(4)), alice.send(b"nothing of the kind\n", "b.jsonl")]
    job = run(post(alice, {"uploads": uploads, "options": {"mode": "all-or-nothing"}}))
    expect_nothing(job, "b.jsonl")
    expect_same(archive_db, before)


def test_one_conflict_and_nothing_is_taken(alice, archive_db):
    imported(alice, transcript(4))
    before = everything(archive_db)
    new = transcript(2, OTHER) + transcript(4).replace(b"Hello", b"Hallo")
    job = imported(alice, new, "c.jsonl", mode="all-or-nothing", conflict="fail")
    expect_nothing(job, "line 3", "other content")
    expect_same(archive_db, before)


@pytest.mark.parametrize(("mode", "kept"), [("keep-good", True), ("all-or-nothing", False)])
def test_a_cancelled_import_is_kept_or_undone_as_its_mode_says(
    alice, archive_db, settings, monkeypatch, mode, kept
):
    settings.CLAUDELENS_BATCH_DOCS = 2
    before = everything(archive_db)
    asked = post(alice, {"uploads": [alice.send(transcript(40))], "options": {"mode": mode}})
    advance = Progress.advance

    def cancel_after_some(progress, step):
        if step.records_done == 10 and step.phase == "importing":
            services.cancel_import(ImportJob.objects.get())
        progress._next = 0.0  # look for wishes at every step
        advance(progress, step)

    monkeypatch.setattr(Progress, "advance", cancel_after_some)
    job = run(asked)
    assert job.error is None
    if kept:
        assert job.state == JobState.CANCELLED
        assert archive_db.messages_current.count_documents({}) >= 10
    else:
        assert job.state == JobState.ROLLED_BACK
        expect_same(archive_db, before)


def test_cancelled_while_it_waits_to_be_tried_again_it_is_undone_by_a_worker(alice, archive_db):
    before = everything(archive_db)
    answer = post(alice, {"uploads": [alice.send(transcript(6))], "options": {"mode": "all-or-nothing"}})
    job = ImportJob.objects.get(pk=answer.json()["id"])
    from tests.imports.running import run as run_batches

    run_batches(job.sources[0]["path"], job=str(job.pk), stop_after=1, batch_docs=2)
    ImportJob.objects.filter(pk=job.pk).update(started_at=job.created_at, token=5)
    services.cancel_import(job)
    assert job.state == JobState.CANCELLING
    assert work(job).state == JobState.ROLLED_BACK
    expect_same(archive_db, before)


def test_all_or_nothing_that_others_built_on_stays_and_says_so(alice, archive_db, settings, monkeypatch):
    settings.CLAUDELENS_BATCH_DOCS = 2
    asked = post(
        alice, {"uploads": [alice.send(transcript(8) + b"{bad\n")], "options": {"mode": "all-or-nothing"}}
    )
    check_all_good = rollback.check_all_good

    def build_on_it(job, step):
        if step.counts["rejected"]:
            monkeypatch.undo()
            settings.CLAUDELENS_BATCH_DOCS = 2
            imported(alice, transcript(10).replace(b"Hello 9", b"Other"), "b.jsonl")
        check_all_good(job, step)

    monkeypatch.setattr(rollback, "check_all_good", build_on_it)
    job = run(asked)
    assert (job.state, job.error_code) == (JobState.FAILED, "rollback_conflict")


# ------------------------------------------------------------------ the end of a job


def tampered(alice, archive_db, monkeypatch, change) -> ImportJob:
    """An import during which somebody changes the database by hand."""
    from imports import services as module

    pulled = module._pull

    def pull_and_change(job, progress):
        last = pulled(job, progress)
        change(str(job.pk))
        return last

    monkeypatch.setattr(module, "_pull", pull_and_change)
    return imported(alice, transcript(6) + b"{bad\n")


CHANGES = {
    "a message is gone": lambda db, job: db.messages_current.delete_one({"seq": 2048}),
    "a rejected record is gone": lambda db, job: db.rejected_records.delete_one({}),
    "the job's counts": lambda db, job: db.checkpoints.update_one({"_id": job}, {"$inc": {"counts.seen": 1}}),
    "a file's counts": lambda db, job: db.import_files.update_one(
        {"jobId": job}, {"$inc": {"counts.seen": 1, "counts.inserted": 1}}
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_import_whose_figures_do_not_agree_is_a_bug(alice, archive_db, monkeypatch, name):
    job = tampered(alice, archive_db, monkeypatch, lambda key: CHANGES[name](archive_db, key))
    assert (job.state, job.error_code) == (JobState.ERRORED, "internal_error")
    assert "AssertionError" in job.traceback
    services.roll_back_import(job)
    assert work(job).state == JobState.ROLLED_BACK
    for each in archive_db.list_collection_names(filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}):
        if each not in ("events", "counters", "partitions"):
            archive_db[each].delete_many({})
    archive_db.events.delete_many({})


# ------------------------------------------------------------------ the command


def command(*arguments: str, code: int = 0) -> dict:
    out, ended = StringIO(), 0
    try:
        call_command("roll_back_import", *arguments, "--json", stdout=out, stderr=StringIO())
    except CommandError as error:
        ended = error.returncode
    except SystemExit as error:
        ended = error.code
    assert ended == code, out.getvalue()
    return json.loads(out.getvalue().splitlines()[-1])


def test_the_command_tells_and_then_undoes(alice, archive_db):
    before = everything(archive_db)
    first = imported(alice, transcript(4))
    between = everything(archive_db)
    second = imported(alice, transcript(8))
    told = command(str(first.pk), "--dry-run", code=2)
    assert (told["conflictCount"], told["changes"]["messages"]) == (2, 4)
    assert command(str(first.pk), code=2)["error"]["code"] == "rollback_conflict"
    assert command(str(second.pk), "--dry-run")["changes"]["messages"] == 4
    assert command(str(second.pk))["state"] == "rolled_back"
    expect_same(archive_db, between)
    command(str(first.pk))
    expect_same(archive_db, before)
    assert command(str(first.pk), code=2)["error"]["code"] == "job_not_undoable"


@pytest.mark.parametrize("name", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_the_command_refuses_what_is_no_import(db, name):
    assert command(name, code=2)["error"]["code"] == "not_found"


def test_a_killed_worker_s_roll_back_is_taken_up_by_the_next(alice, archive_db):
    before = everything(archive_db)
    job = imported(alice, transcript(6))
    services.roll_back_import(job)
    runner.claim(job)
    steps = undo.undo_import(str(job.pk), job.token)
    next(steps)
    next(steps)
    steps.close()
    # Its process is gone; the reaper rings, another worker comes.
    ImportJob.objects.filter(pk=job.pk).update(lease_until=job.created_at)
    assert runner.reap() == 1
    assert work(job).state == JobState.ROLLED_BACK
    expect_same(archive_db, before)
