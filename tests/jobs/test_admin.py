import pytest

from tests.jobs.drill.models import DrillJob

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("drill_urls")]
LIST = "/admin/drill/drilljob/"


@pytest.fixture
def as_(client, people):
    def sign_in(name):
        client.force_login(getattr(people, name))
        return client

    return sign_in


def test_the_list_shows_state_progress_and_counts_in_words(as_, people, make_job):
    make_job(
        owner=people.alice,
        state="running",
        records_done=1,
        records_total=4,
        counts={"inserted": 1200, "duplicates": 0},
    )
    page = as_("alice").get(LIST)
    assert page.status_code == 200
    for text in ("Running", "▶", "25 %", "1,200 inserted", "Drill"):
        assert text in page.text
    assert "duplicates" not in page.text


def test_staff_see_their_own_jobs_and_a_superuser_all(as_, people, make_job):
    job = make_job(owner=people.alice)
    page = f"{LIST}{job.pk}/change/"
    assert job.title in as_("root").get(LIST).text
    assert as_("root").get(page).status_code == 200
    assert job.title not in as_("bob").get(LIST).text
    assert as_("bob").get(page).status_code == 302
    assert as_("charlie").get(LIST).status_code == 302


def test_a_job_is_shown_with_its_error_traceback_and_log_and_nothing_to_edit(as_, people, make_job):
    job = make_job(
        owner=people.alice,
        state="errored",
        error_code="internal_error",
        error_message="It broke.",
        error_hint="Tell us.",
        traceback="Traceback: <b>boom</b>",
    )
    job.log("warning", "line <3> is odd")
    page = as_("alice").get(f"{LIST}{job.pk}/change/").text
    for text in ("It broke.", "Tell us.", "&lt;b&gt;boom", "warning: line &lt;3&gt; is odd"):
        assert text in page
    assert 'name="_save"' not in page


def test_jobs_are_neither_added_nor_deleted_here(as_, people, make_job):
    job = make_job(owner=people.root)
    assert as_("root").get(f"{LIST}add/").status_code == 403
    assert as_("root").post(f"{LIST}{job.pk}/delete/", {"post": "yes"}).status_code == 403


def act(client, action, *jobs):
    data = {"action": action, "_selected_action": [str(job.pk) for job in jobs]}
    return client.post(LIST, data, follow=True).text


def test_selected_jobs_are_cancelled_and_those_that_have_ended_are_told(as_, people, make_job):
    waiting, ended = make_job(owner=people.alice), make_job(owner=people.alice, state="completed")
    page = act(as_("alice"), "cancel_jobs", waiting, ended)
    assert "1 job was asked to stop." in page
    assert "can no longer be cancelled" in page
    waiting.refresh_from_db()
    assert waiting.state == "cancelled"


def test_failed_jobs_are_run_again(as_, people, make_job):
    jobs = [make_job(owner=people.alice, state="failed") for _ in range(2)]
    assert "2 jobs were queued again." in act(as_("alice"), "retry_jobs", *jobs)
    assert set(DrillJob.objects.values_list("state", flat=True)) == {"queued"}


def test_another_persons_job_is_not_cancelled(as_, people, make_job):
    job = make_job(owner=people.alice)
    act(as_("bob"), "cancel_jobs", job)
    job.refresh_from_db()
    assert job.state == "queued"


def test_the_list_costs_the_same_for_many_jobs(as_, people, make_job, django_assert_max_num_queries):
    for _ in range(20):
        make_job(owner=people.alice)
    client = as_("alice")
    with django_assert_max_num_queries(12):
        client.get(LIST)
