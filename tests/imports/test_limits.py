"""How much one person may send and have imported at once; and files that are known already."""

from datetime import timedelta
from uuid import NAMESPACE_DNS, uuid5

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from archive.errors import TooMany
from claudelens_site import throttle
from claudelens_site.embedded import free_port
from imports import services, uploads
from imports.models import ImportJob, Upload, UploadState
from jobs.states import JobState
from tests.imports import transcripts
from tests.imports.conftest import logged_in
from tests.imports.tus_client import Tus

pytestmark = pytest.mark.django_db(transaction=True)

IMPORTS = "/api/v1/imports/"


def transcript(messages, session="first"):
    """A conversation of its own for each name."""
    return transcripts.transcript(messages, str(uuid5(NAMESPACE_DNS, session)))


@pytest.fixture(autouse=True)
def _servers(archive_db, redis_server):
    throttle.silence._until = 0.0


@pytest.fixture
def root(people, upload_dir):
    return Tus(logged_in(people.root))


def post(tus, *ids):
    return tus.client.post(IMPORTS, {"uploads": ids}, content_type="application/json")


def form(tus, *bodies):
    files = [SimpleUploadedFile(f"{number}.jsonl", body) for number, body in enumerate(bodies)]
    return tus.client.post(IMPORTS, {"file": files})


def is_problem(answer, status, code):
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    told = answer.json()
    assert (told["status"], told["code"]) == (status, code)
    assert told["detail"]
    assert told["hint"]
    return True


def earlier(model, **by):
    """Everything of this kind began so long ago."""
    model.objects.update(created_at=timezone.now() - timedelta(**by))


class TestImportsOfOnePerson:
    def test_more_than_an_hour_allows_are_429_and_say_when_to_come_again(self, alice, settings):
        settings.CLAUDELENS_IMPORTS_PER_HOUR = 2
        for number in range(2):
            assert form(alice, transcript(1, f"s{number}")).status_code == 202
        earlier(ImportJob, minutes=50)
        refused = form(alice, transcript(1, "s3"))
        assert is_problem(refused, 429, "rate_limited")
        assert 590 < int(refused["Retry-After"]) <= 600
        assert ImportJob.objects.count() == 2
        assert not Upload.objects.filter(state__in=[UploadState.OPEN, UploadState.COMPLETE]).exists()

    def test_an_hour_later_there_is_room_again(self, alice, settings):
        settings.CLAUDELENS_IMPORTS_PER_HOUR = 1
        assert form(alice, transcript(1)).status_code == 202
        earlier(ImportJob, minutes=61)
        assert form(alice, transcript(1, "another")).status_code == 202

    def test_too_many_at_once_are_429_until_one_ends(self, alice, settings):
        settings.CLAUDELENS_ACTIVE_IMPORTS = 1
        first = ImportJob.objects.get(pk=form(alice, transcript(1)).json()["id"])
        upload = alice.send(transcript(1, "second"))
        refused = post(alice, upload)
        assert is_problem(refused, 429, "rate_limited")
        assert int(refused["Retry-After"]) > 0
        services.run_import(first)
        assert post(alice, upload).status_code == 202

    def test_running_one_again_counts_as_one_at_once(self, alice, settings):
        settings.CLAUDELENS_ACTIVE_IMPORTS = 1
        stopped = form(alice, transcript(1)).json()["id"]
        alice.client.post(f"{IMPORTS}{stopped}/cancel/")
        assert form(alice, transcript(1, "second")).status_code == 202
        assert is_problem(alice.client.post(f"{IMPORTS}{stopped}/retry/"), 429, "rate_limited")
        assert ImportJob.objects.get(pk=stopped).state == JobState.CANCELLED

    def test_others_are_not_held_up(self, alice, bob, root, settings):
        settings.CLAUDELENS_ACTIVE_IMPORTS = settings.CLAUDELENS_IMPORTS_PER_HOUR = 1
        for tus, session in ((alice, "a"), (bob, "b"), (root, "r1"), (root, "r2")):
            assert form(tus, transcript(1, session)).status_code == 202

    def test_a_command_has_no_limit_and_zero_sets_none(self, alice, settings, tmp_path):
        settings.CLAUDELENS_ACTIVE_IMPORTS = settings.CLAUDELENS_IMPORTS_PER_HOUR = 0
        for number in range(3):
            assert form(alice, transcript(1, f"s{number}")).status_code == 202
        settings.CLAUDELENS_ACTIVE_IMPORTS = 1
        file = tmp_path / "a.jsonl"
        file.write_bytes(transcript(1, "x"))
        for _ in range(2):
            source = {"path": str(file), "name": "a.jsonl", "upload": None, "sha256": "", "bytes": 1}
            services.create_import(None, sources=[source])

    def test_the_page_says_it_in_a_sentence(self, alice, settings):
        settings.CLAUDELENS_ACTIVE_IMPORTS = settings.CLAUDELENS_UPLOADS_PER_HOUR = 1
        stopped = form(alice, transcript(1)).json()["id"]
        page = alice.client.post("/imports/new/", {"file": [SimpleUploadedFile("b.jsonl", transcript(1, "b"))]})
        assert "Your limit of uploads within an hour, 1, is reached." in page.content.decode()
        alice.client.post(f"/imports/{stopped}/cancel/")
        settings.CLAUDELENS_UPLOADS_PER_HOUR = 0
        form(alice, transcript(1, "c"))
        page = alice.client.post(f"/imports/{stopped}/retry/", follow=True)
        assert "Your limit of imports that run or wait at once, 1, is reached." in page.content.decode()

    def test_of_many_at_the_same_moment_exactly_as_many_pass_as_are_allowed(self, people, upload_dir, settings, in_threads):
        settings.CLAUDELENS_IMPORTS_PER_HOUR = 3
        numbers = iter(range(100))

        def start():
            body = SimpleUploadedFile("a.jsonl", transcript(1, f"s{next(numbers)}"))
            try:
                return bool(services.import_form_files(people.alice, [body]))
            except TooMany:
                return False

        assert sum(in_threads(start, 8)) == 3
        assert ImportJob.objects.count() == 3


class TestUploadsOfOnePerson:
    def test_more_than_an_hour_allows_are_429(self, alice, root, settings):
        settings.CLAUDELENS_UPLOADS_PER_HOUR = 2
        for _ in range(2):
            assert alice.create(10).status_code == 201
        refused = alice.create(10)
        assert is_problem(refused, 429, "rate_limited")
        assert 3590 < int(refused["Retry-After"]) <= 3600
        assert refused["Tus-Resumable"] == "1.0.0"
        for _ in range(3):
            assert root.create(10).status_code == 201

    def test_giving_one_up_does_not_make_room_within_the_hour(self, alice, settings):
        settings.CLAUDELENS_UPLOADS_PER_HOUR = 1
        alice.delete(alice.begin(10))
        assert is_problem(alice.create(10), 429, "rate_limited")
        earlier(Upload, minutes=60, seconds=1)
        assert alice.create(10).status_code == 201

    def test_a_full_quota_is_413(self, alice, settings):
        settings.CLAUDELENS_UPLOAD_QUOTA_BYTES = 15
        alice.begin(10)
        assert is_problem(alice.create(6), 413, "quota_exceeded")
        assert is_problem(form(alice, transcript(1)), 413, "quota_exceeded")
        assert alice.create(5).status_code == 201

    def test_a_file_or_a_form_that_is_too_large_is_413(self, alice, settings):
        settings.CLAUDELENS_UPLOAD_MAX_BYTES = settings.CLAUDELENS_MULTIPART_MAX_BYTES = 100
        assert is_problem(alice.create(101), 413, "too_large")
        assert is_problem(form(alice, transcript(9)), 413, "form_too_large")

    def test_a_full_disk_is_507(self, alice, settings):
        settings.CLAUDELENS_DISK_FULL_PERCENT = 0
        assert is_problem(alice.create(10), 507, "out_of_space")
        assert is_problem(form(alice, transcript(1)), 507, "out_of_space")
        assert not Upload.objects.exists()


class TestRequestsOfOnePerson:
    def test_more_than_a_minute_allows_are_429_and_others_go_on(self, alice, bob, root, settings):
        settings.CLAUDELENS_API_PER_MINUTE = 3
        answers = [alice.client.get("/api/v1/jobs/") for _ in range(8)]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(refused) in range(2, 6)  # five; fewer where the clock's minute turns on the way
        assert is_problem(refused[0], 429, "throttled")
        assert 0 < int(refused[0]["Retry-After"]) <= 60
        assert bob.client.get("/api/v1/jobs/").status_code == 200
        assert all(root.client.get("/api/v1/jobs/").status_code == 200 for _ in range(5))

    def test_pages_are_not_counted_and_zero_sets_no_limit(self, alice, settings):
        settings.CLAUDELENS_API_PER_MINUTE = 1
        assert all(alice.client.get("/imports/").status_code == 200 for _ in range(3))
        settings.CLAUDELENS_API_PER_MINUTE = 0
        assert all(alice.client.get("/api/v1/jobs/").status_code == 200 for _ in range(5))

    def test_while_redis_is_away_everything_passes(self, alice, settings):
        settings.CLAUDELENS_API_PER_MINUTE = 1
        away = settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{free_port()}/0"}
        settings.CACHES = {"default": away}
        assert all(alice.client.get("/api/v1/jobs/").status_code == 200 for _ in range(5))
        assert throttle.silence.holds()

    def test_the_count_is_forgotten(self, alice, redis_server, settings):
        alice.client.get("/api/v1/jobs/")
        keys = redis_server.keys("claudelens:*requests.*")
        assert len(keys) == 1
        assert 0 < redis_server.ttl(keys[0]) <= 120
        assert cache.get("requests.nobody") is None


class TestTheSameFileAgain:
    def known(self, tus, upload):
        told = tus.client.get(f"/api/v1/uploads/{upload}/").json()
        return told["importedBefore"], told["held"]

    def run(self, answer):
        job = ImportJob.objects.get(pk=answer.json()["id"])
        services.run_import(job)
        job.refresh_from_db()
        return job

    def test_a_new_file_is_neither_imported_nor_held(self, alice):
        assert self.known(alice, alice.send(transcript(3))) == (None, False)
        started = alice.begin(10).rstrip("/").rsplit("/", 1)[-1]
        assert self.known(alice, started) == (None, False)

    def test_its_newest_completed_import_is_named_and_it_may_be_imported_again(self, alice):
        body = transcript(3)
        self.run(post(alice, alice.send(body, "first.jsonl")))
        second = self.run(post(alice, alice.send(body, "second.jsonl")))
        upload = alice.send(body, "third.jsonl")
        before, held = self.known(alice, upload)
        assert before["job"] == str(second.pk)
        assert before["finishedAt"]
        assert before["sha256"] == Upload.objects.get(pk=upload).sha256
        assert held is True
        assert self.run(post(alice, upload)).counts["inserted"] == 0

    def test_of_somebody_elses_import_only_the_holding_is_told(self, alice, bob):
        self.run(post(alice, alice.send(transcript(3))))
        assert self.known(bob, bob.send(transcript(3))) == (None, True)

    def test_what_came_from_the_server_is_held(self, alice, tmp_path):
        file = tmp_path / "a.jsonl"
        file.write_bytes(transcript(3))
        source = {"path": str(file), "name": "a.jsonl", "upload": None, "sha256": "", "bytes": 1}
        services.run_import(services.create_import(None, sources=[source]))
        assert self.known(alice, alice.send(transcript(3))) == (None, True)

    def test_one_of_several_files_of_an_import_counts(self, alice):
        ids = [alice.send(transcript(2, name), f"{name}.jsonl") for name in ("one", "two")]
        job = self.run(post(alice, *ids))
        assert self.known(alice, alice.send(transcript(2, "two")))[0]["job"] == str(job.pk)

    def test_an_import_that_did_not_end_well_does_not_count(self, alice):
        job = ImportJob.objects.get(pk=post(alice, alice.send(transcript(3))).json()["id"])
        services.cancel_import(job)
        assert self.known(alice, alice.send(transcript(3))) == (None, False)

    def test_a_dry_run_does_not_count(self, alice):
        upload = alice.send(transcript(3))
        job = services.create_import(None, sources=[Upload.objects.get(pk=upload).as_source()])
        dry = {"options": {"dry_run": True}}
        ImportJob.objects.filter(pk=job.pk).update(state="completed", finished_at=timezone.now(), parameters=dry)
        Upload.objects.filter(pk=upload).update(state=UploadState.USED, job=job)
        assert self.known(alice, alice.send(transcript(3))) == (None, False)

    def test_without_the_database_it_is_unknown(self, alice, archive_db, servers):
        from archive import connection
        from tests import run

        upload = Upload.objects.get(pk=alice.send(transcript(3)))
        connection.configure(f"mongodb://127.0.0.1:{free_port()}/", run.DATABASE, serverSelectionTimeoutMS=100)
        try:
            assert uploads.is_held(upload) is None
        finally:
            connection.configure(servers.mongodb_url, run.DATABASE)


def test_pool_sizes_come_from_the_settings(settings, servers, archive_db):
    from django.apps import apps

    from archive import connection
    from tests import run

    settings.CLAUDELENS_MONGODB_POOL_MIN, settings.CLAUDELENS_MONGODB_POOL_MAX = 2, 7
    settings.MONGODB_URL, settings.MONGODB_DATABASE = servers.mongodb_url, run.DATABASE
    apps.get_app_config("claudelens_site").ready()
    try:
        pool = connection.client().options.pool_options
        assert (pool.min_pool_size, pool.max_pool_size) == (2, 7)
    finally:
        connection.configure(servers.mongodb_url, run.DATABASE)
