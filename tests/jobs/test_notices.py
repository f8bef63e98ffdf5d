"""The owner of a job that took long is told of its end, on every page, over the API and by e-mail."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from exports.models import ExportJob
from imports.models import ImportJob
from jobs import notices, runner
from jobs.claims import claim
from jobs.models import Notice
from jobs.progress import Progress
from jobs.states import ACTIVE, JobState
from tests.jobs.drill.models import DrillJob, run_drill
from tests.jobs.mail_server import MailServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def every_end_is_told(settings):
    settings.CLAUDELENS_NOTIFY_AFTER_SECONDS = 0


@pytest.fixture
def client_of(people):
    def signed_in(name, **options):
        client = Client(**options)
        client.force_login(getattr(people, name))
        return client

    return signed_in


@pytest.fixture
def mail_server(settings, people):
    """A mail server that the site is set up for; alice has an address."""
    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.CLAUDELENS_EMAIL_URL = f"smtp://127.0.0.1:{server.port}"
    settings.CLAUDELENS_EMAIL_FROM = "lens@example.org"
    settings.CLAUDELENS_PUBLIC_URL = "https://lens.example.org"
    people.alice.email = "alice@example.org"
    people.alice.save()
    yield server
    server.close()


def ended(job, seconds=100.0):
    """The job as if it had taken so long, its end told."""
    job.finished_at = timezone.now()
    job.started_at = job.finished_at - timedelta(seconds=seconds)
    job.save()
    notices.tell_end(job)
    return job


def an_import(owner, name="2026.zip", **fields):
    counts = {"seen": 1242, "inserted": 1234, "duplicates": 3, "updated": 0, "skipped": 0, "rejected": 5}
    given = {"state": JobState.COMPLETED_WITH_ERRORS, "counts": counts, "parameters": {"options": {"reject_percent": 10}}}
    sources = [{"path": "/somewhere/x", "name": name, "upload": None, "sha256": "", "bytes": 9, "files": 3}]
    return ImportJob.objects.create(owner=owner, sources=sources, **(given | fields))


def shift(**fields):
    """Let so much time pass for what is due."""
    Notice.objects.exclude(mail_due_at=None).update(mail_due_at=timezone.now() - timedelta(seconds=1), **fields)


class TestWhoIsTold:
    def test_the_owner_is_told_once_in_a_sentence_with_what_was_asked_for(self, people, make_job):
        job = make_job(owner=people.alice, parameters={"pause": 0})
        run_drill(job)
        told = Notice.objects.get()
        assert (told.owner, told.job_id, told.kind, told.state) == (people.alice, job.pk, "drill", "completed")
        assert told.text == f"Drill “{job.title}” has ended: 3 new."
        assert told.parameters == {"pause": 0}

    def test_a_short_job_tells_nobody(self, people, make_job, settings):
        settings.CLAUDELENS_NOTIFY_AFTER_SECONDS = 60
        ended(make_job(owner=people.alice, state="completed"), seconds=59)
        assert not Notice.objects.exists()
        ended(make_job(owner=people.alice, state="completed"), seconds=61)
        assert Notice.objects.get().seconds == 61

    def test_a_job_of_nobody_tells_nobody(self, make_job):
        run_drill(make_job())
        assert not Notice.objects.exists()

    @pytest.mark.parametrize(
        ("problem", "text"),
        [
            ("refused", "has failed: It is no transcript. Until then: 3 new."),
            ("bug", "was stopped by a bug: The job stopped at an unexpected ZeroDivisionError. Until then: 3 new."),
        ],
    )
    def test_a_failure_tells_its_reason(self, people, make_job, problem, text):
        run_drill(make_job(owner=people.alice, parameters={"problem": problem}))
        assert Notice.objects.get().text.endswith(f"” {text}")

    def test_a_job_cancelled_at_work_and_one_that_gave_up_are_told(self, people, make_job, settings):
        job = make_job(owner=people.alice, parameters={"pause": 0.6})
        claim(job)
        progress = Progress(job)
        runner.request_cancel(DrillJob.objects.get(pk=job.pk))
        assert not Notice.objects.exists()
        progress.finish(JobState.CANCELLED)
        assert "was cancelled" in Notice.objects.get().text
        lost = make_job(owner=people.alice, state="running", started_at=timezone.now(), attempts=3)
        DrillJob.objects.filter(pk=lost.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        runner.reap()
        assert "died 3 times" in Notice.objects.get(job_id=lost.pk).text

    def test_an_end_that_is_told_twice_makes_one_notice_and_a_second_end_another(self, people, make_job):
        job = ended(make_job(owner=people.alice, state="failed", error_message="No.", error_code="x"))
        notices.tell_end(job)
        assert Notice.objects.count() == 1
        runner.retry(job)
        run_drill(job)
        assert sorted(Notice.objects.values_list("state", flat=True)) == ["completed", "failed"]

    def test_ends_that_are_told_at_the_same_moment_make_one_notice(self, people, make_job, in_threads):
        job = make_job(owner=people.alice, state="completed", started_at=timezone.now(), finished_at=timezone.now())
        in_threads(lambda: notices.tell_end(DrillJob.objects.get(pk=job.pk)), 8)
        assert Notice.objects.count() == 1

    def test_a_notice_that_cannot_be_written_never_harms_the_job(self, people, make_job, caplog):
        job = make_job(owner=people.alice)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE jobs_notice RENAME TO jobs_notice_away")
        try:
            with caplog.at_level(logging.WARNING, logger="jobs.notices"):
                run_drill(job)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE jobs_notice_away RENAME TO jobs_notice")
        job.refresh_from_db()
        assert job.state == "completed"
        assert "no notice of the end" in caplog.text

    def test_imports_and_exports_say_what_was_asked_for_in_words(self, people):
        ended(an_import(people.alice))
        ended(ExportJob.objects.create(owner=people.alice, state="completed", format="json", counts={"messages": 7}))
        export, taken_in = Notice.objects.all()
        assert taken_in.text == "Import “2026.zip” has ended with errors: 1,234 new, 3 duplicates, 5 rejected."
        assert taken_in.parameters == {"files": 3, "reject_percent": 10}
        assert export.text == "Export “Everything as json” has ended: 7 messages."
        assert export.parameters == {"format": "json", "filter": "everything"}

    def test_there_are_words_for_every_end(self):
        assert set(notices.ENDS) == set(JobState.values) - set(ACTIVE)

    def test_what_was_rolled_back_is_not_told_as_new(self, people):
        ended(an_import(people.alice, state=JobState.ROLLED_BACK))
        assert Notice.objects.get().text == "Import “2026.zip” was rolled back."

    def test_a_dry_run_does_not_sound_like_an_import(self, people):
        ended(an_import(people.alice, parameters={"options": {"dry_run": True}}))
        assert Notice.objects.get().text.startswith("Dry run of “2026.zip” has ended")

    def test_what_is_older_than_thirty_days_is_deleted(self, people):
        for days in (31, 29):
            ended(an_import(people.alice))
            Notice.objects.filter(pk=Notice.objects.latest("id").pk).update(created_at=timezone.now() - timedelta(days=days))
        assert notices.expire_notices() == 1
        assert Notice.objects.count() == 1


class TestOnThePages:
    def test_every_page_shows_it_until_it_is_put_away(self, people, client_of):
        job = ended(an_import(people.alice))
        alice = client_of("alice")
        page = alice.get("/exports/").content.decode()
        assert "1,234 new, 3 duplicates, 5 rejected" in page
        assert f'href="/imports/{job.pk}/"' in page
        assert "Reject percent: 10" in page
        notice = Notice.objects.get()
        back = alice.post(f"/jobs/notices/{notice.pk}/seen/", {"next": "/exports/?a=b"})
        assert (back.status_code, back["Location"]) == (302, "/exports/?a=b")
        assert "1,234 new" not in alice.get("/exports/").content.decode()

    def test_nobody_else_sees_it_or_puts_it_away(self, people, client_of):
        ended(an_import(people.alice))
        notice = Notice.objects.get()
        for name in ("bob", "root"):
            client = client_of(name)
            assert "1,234 new" not in client.get("/imports/").content.decode()
            assert client.post(f"/jobs/notices/{notice.pk}/seen/").status_code == 404
            assert client.post(f"/api/v1/notices/{notice.pk}/seen/").status_code == 404
            assert client.get("/api/v1/notices/").json()["results"] == []
            client.post("/jobs/notices/seen/")
        assert Client().post(f"/jobs/notices/{notice.pk}/seen/")["Location"].startswith("/accounts/login/")
        notice.refresh_from_db()
        assert notice.seen_at is None

    def test_a_form_leads_to_no_other_site(self, people, client_of):
        ended(an_import(people.alice))
        answer = client_of("alice").post("/jobs/notices/seen/", {"next": "https://evil.example.org/"})
        assert answer["Location"] == "/"

    def test_a_click_in_another_site_changes_nothing(self, people, client_of):
        ended(an_import(people.alice))
        alice = client_of("alice", enforce_csrf_checks=True)
        assert alice.post("/jobs/notices/seen/").status_code == 403

    def test_three_are_shown_and_the_rest_is_counted(self, people, client_of):
        for number in range(5):
            ended(an_import(people.alice, name=f"number-{number}.zip"))
        alice = client_of("alice")
        page = alice.get("/exports/").content.decode()
        assert [f"number-{number}.zip" in page for number in range(5)] == [False, False, True, True, True]
        assert "and 2 more" in page
        alice.post("/jobs/notices/seen/", {"next": "/"})
        assert "number-4.zip" not in alice.get("/exports/").content.decode()

    def test_whoever_opens_the_page_of_the_job_has_seen_it(self, people, client_of, archive_db):
        job = ended(an_import(people.alice))
        client_of("root").get(f"/imports/{job.pk}/")
        assert Notice.objects.get().seen_at is None
        assert "data-notices" not in client_of("alice").get(f"/imports/{job.pk}/").content.decode()
        assert Notice.objects.get().seen_at is not None

    def test_the_page_of_an_export_counts_too(self, people, client_of, archive_db):
        job = ended(ExportJob.objects.create(owner=people.alice, state="completed", format="json"))
        client_of("alice").get(f"/exports/{job.pk}/")
        assert Notice.objects.get().seen_at is not None

    def test_a_page_costs_one_query_more_and_strangers_none(self, people):
        for number in range(9):
            ended(an_import(people.alice, name=f"{number}.zip"))
        with CaptureQueriesContext(connection) as asked:
            shown = notices.unseen(people.alice)
        assert (len(shown.newest), shown.more, len(asked)) == (3, 6, 1)
        with CaptureQueriesContext(connection) as asked:
            assert not notices.unseen(AnonymousUser())
        assert len(asked) == 0

    def test_a_file_name_is_text_and_never_markup(self, people, client_of):
        ended(an_import(people.alice, name="<script>alert(1)</script>.jsonl"))
        page = client_of("alice").get("/exports/").content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page or "script&gt;.jsonl" in page


class TestOverTheApi:
    def test_own_notices_are_listed_newest_first_and_put_away(self, people, client_of):
        for name in ("a.zip", "b.zip"):
            ended(an_import(people.alice, name=name))
        alice = client_of("alice")
        listed = alice.get("/api/v1/notices/").json()["results"]
        assert [one["title"] for one in listed] == ["b.zip", "a.zip"]
        assert listed[0]["parameters"] == {"files": 3, "reject_percent": 10}
        assert listed[0]["seenAt"] is None
        first = alice.post(f"/api/v1/notices/{listed[0]['id']}/seen/").json()["seenAt"]
        assert first
        assert alice.post(f"/api/v1/notices/{listed[0]['id']}/seen/").json()["seenAt"] == first

    def test_a_notice_that_is_not_there_is_a_problem(self, client_of):
        answer = client_of("alice").post("/api/v1/notices/77/seen/")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer["Content-Type"] == "application/problem+json"


class TestByMail:
    def test_it_says_what_came_of_the_job_what_was_asked_and_where_it_is_told(self, people, mail_server):
        job = ended(an_import(people.alice), seconds=185)
        assert notices.send_due() == 1
        mail = mail_server.mails[0]
        assert (mail.sender, mail.recipients) == ("lens@example.org", ["alice@example.org"])
        assert mail.message["Subject"].strip() == "Import “2026.zip” has ended with errors: 1,234 new, 3 duplicates, 5 rejected."
        for told in ("1,234 new", "Files           3", "Reject percent  10", "Took            3 min 5 s"):
            assert told in mail.body
        assert f"https://lens.example.org/imports/{job.pk}/" in mail.body
        assert notices.send_due() == 0
        assert len(mail_server.mails) == 1

    def test_without_the_sites_address_there_is_no_link(self, people, mail_server, settings):
        settings.CLAUDELENS_PUBLIC_URL = ""
        ended(an_import(people.alice))
        notices.send_due()
        assert "/imports/" not in mail_server.mails[0].body

    def test_a_file_name_cannot_write_headers(self, people, mail_server):
        ended(an_import(people.alice, name="a\r\nBcc: eve@example.org\r\n\r\nhello\x07.jsonl"))
        assert notices.send_due() == 1
        mail = mail_server.mails[0]
        assert mail.recipients == ["alice@example.org"]
        assert mail.message["Bcc"] is None
        assert "a Bcc: eve@example.org hello .jsonl" in mail.message["Subject"]

    def test_what_has_just_ended_is_due_at_once(self, people, mail_server):
        for _ in range(100):
            ended(an_import(people.alice))
            assert notices.send_due() == 1

    def test_a_long_name_makes_no_endless_subject(self, people, mail_server):
        ended(an_import(people.alice, name="x" * 900 + ".jsonl"))
        notices.send_due()
        assert len(mail_server.mails[0].message["Subject"].strip()) == notices.SUBJECT_MAX

    @pytest.mark.parametrize("address", ["", "nobody", "a@b.org\nBcc: eve@example.org"])
    def test_who_has_no_address_gets_none(self, people, mail_server, address):
        type(people.alice).objects.filter(pk=people.alice.pk).update(email=address)
        ended(an_import(people.alice))
        assert notices.send_due() == 0
        assert Notice.objects.get().mail_due_at is None

    def test_who_may_no_longer_sign_in_gets_none(self, people, mail_server):
        type(people.alice).objects.filter(pk=people.alice.pk).update(is_active=False)
        ended(an_import(people.alice))
        assert notices.send_due() == 0

    @pytest.mark.parametrize("off", [{"CLAUDELENS_EMAIL_URL": ""}, {"CLAUDELENS_NOTIFY_EMAIL": False}])
    def test_it_can_be_switched_off(self, people, mail_server, settings, off):
        for name, value in off.items():
            setattr(settings, name, value)
        ended(an_import(people.alice))
        assert notices.send_due() == 0
        assert mail_server.tried == 0

    def test_an_ill_server_is_tried_four_times_then_given_up_each_time_logged(self, people, mail_server, caplog):
        mail_server.is_ill = True
        ended(an_import(people.alice))
        with caplog.at_level(logging.WARNING, logger="jobs.notices"):
            for _ in range(6):
                assert notices.send_due() == 0
                shift()
        assert mail_server.tried == 4
        assert caplog.text.count("trying again later") == 3
        assert caplog.text.count("given up") == 1

    def test_what_failed_waits_longer_and_longer_and_then_gets_through(self, people, mail_server):
        mail_server.is_ill = True
        ended(an_import(people.alice))
        for wait in (60, 120):
            notices.send_due()
            assert notices.send_due() == 0
            left = Notice.objects.get().mail_due_at - timezone.now()
            assert wait - 5 < left.total_seconds() <= wait
            shift()
        mail_server.is_ill = False
        assert notices.send_due() == 1

    def test_a_server_that_is_not_there_harms_nobody(self, people, mail_server, make_job, caplog):
        mail_server.close()
        job = make_job(owner=people.alice)
        run_drill(job)
        with caplog.at_level(logging.WARNING, logger="jobs.notices"):
            assert notices.send_due() == 0
        job.refresh_from_db()
        assert job.state == "completed"
        assert "refused" in caplog.text

    def test_two_tasks_at_once_send_it_once(self, people, mail_server, in_threads):
        for number in range(3):
            ended(an_import(people.alice, name=f"{number}.zip"))
        assert sum(in_threads(notices.send_due, 4)) == 3
        assert len(mail_server.mails) == 3
