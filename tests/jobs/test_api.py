import uuid

import pytest
from rest_framework.test import APIClient

from jobs.serializers import SnapshotSerializer
from tests.jobs.drill.models import DrillJob

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("drill_urls")]
DRILLS, JOBS = "/api/v1/drills/", "/api/v1/jobs/"


@pytest.fixture
def api(people):
    """A client that is signed in as the person of that name."""

    def as_(name):
        client = APIClient()
        client.force_authenticate(getattr(people, name))
        return client

    return as_


def ids(answer):
    return {job["id"] for job in answer.json()["results"]}


def test_a_list_holds_own_jobs_and_for_a_superuser_all(api, people, make_job):
    mine, other = make_job(owner=people.alice), make_job(owner=people.bob)
    assert ids(api("alice").get(DRILLS)) == {str(mine.pk)}
    assert ids(api("root").get(DRILLS)) == {str(mine.pk), str(other.pk)}
    assert ids(api("alice").get(JOBS)) == {str(mine.pk)}
    assert ids(api("root").get(JOBS)) == {str(mine.pk), str(other.pk)}


def test_a_cursor_that_is_none_is_refused(api):
    answer = api("alice").get(f"{DRILLS}?cursor=nonsense")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("address", [DRILLS, JOBS])
def test_a_list_is_read_page_by_page(api, people, make_job, address):
    made = [str(make_job(owner=people.alice).pk) for _ in range(5)]
    client, seen, following = api("alice"), [], f"{address}?limit=2"
    while following:
        page = client.get(following).json()
        assert set(page) == {"next", "previous", "results"}
        seen += [job["id"] for job in page["results"]]
        following = page["next"]
    assert seen == made[::-1]


@pytest.mark.parametrize("address", [DRILLS, JOBS])
def test_a_list_can_be_narrowed_to_a_state(api, people, make_job, address):
    make_job(owner=people.alice)
    failed = make_job(owner=people.alice, state="failed")
    assert ids(api("alice").get(f"{address}?state=failed")) == {str(failed.pk)}
    assert api("alice").get(f"{address}?state=nonsense").status_code == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1000"])
def test_a_limit_out_of_range_is_refused(api, query):
    assert api("alice").get(f"{JOBS}?{query}").status_code == 400


@pytest.mark.parametrize("verb", ["", "log/", "cancel/", "retry/"])
def test_another_persons_job_is_not_found_by_any_verb(api, people, make_job, verb):
    job = make_job(owner=people.alice, state="failed")
    method = "post" if verb in ("cancel/", "retry/") else "get"
    assert getattr(api("bob"), method)(f"{DRILLS}{job.pk}/{verb}").status_code == 404
    job.refresh_from_db()
    assert job.state == "failed"


def test_a_snapshot_of_another_persons_job_is_not_found(api, people, make_job):
    job = make_job(owner=people.alice)
    assert api("bob").get(f"{JOBS}{job.pk}/").status_code == 404
    assert api("bob").get(f"{JOBS}{uuid.uuid4()}/").status_code == 404
    assert api("bob").get(f"{JOBS}?before={job.pk}").status_code == 404
    assert api("alice").get(f"{JOBS}{job.pk}/").json() == job.snapshot()


@pytest.mark.parametrize("address", [DRILLS, JOBS])
def test_who_is_no_staff_gets_nothing(api, address):
    assert api("charlie").get(address).status_code == 403
    assert APIClient().get(address).status_code == 401


def test_a_job_is_shown_with_what_its_kind_adds(api, people, make_job):
    job = make_job(owner=people.alice, records_total=9)
    shown = api("alice").get(f"{DRILLS}{job.pk}/").json()
    assert (shown["owner"], shown["length"], shown["state"]) == ("alice", 9, "queued")


def test_the_schema_names_every_field_of_a_snapshot(make_job):
    assert set(SnapshotSerializer().fields) == set(make_job().snapshot())


def test_cancel_and_retry_change_the_state(api, people, make_job):
    job = make_job(owner=people.alice)
    cancelled = api("alice").post(f"{DRILLS}{job.pk}/cancel/")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    again = api("alice").post(f"{DRILLS}{job.pk}/retry/")
    assert (again.status_code, again.json()["state"]) == (202, "queued")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_what_has_completed_is_neither_cancelled_nor_run_again(api, people, make_job, verb):
    job = make_job(owner=people.alice, state="completed")
    refused = api("alice").post(f"{DRILLS}{job.pk}/{verb}/")
    assert refused.status_code == 409
    assert refused.json()["code"].startswith("job_not_")


def test_the_log_is_read_from_its_beginning(api, people, make_job):
    job = make_job(owner=people.alice)
    for text in ("one", "two", "three"):
        job.log("info", text)
    page = api("alice").get(f"{DRILLS}{job.pk}/log/?limit=2").json()
    assert [line["text"] for line in page["results"]] == ["one", "two"]
    assert page["next"]


def test_polling_a_job_costs_one_question_to_the_database(
    api, people, make_job, django_assert_max_num_queries
):
    job = make_job(owner=people.alice)
    client = api("alice")
    with django_assert_max_num_queries(len(list(_models()))):
        client.get(f"{JOBS}{job.pk}/")


def _models():
    from jobs.models import job_models

    assert DrillJob in list(job_models())
    return job_models()
