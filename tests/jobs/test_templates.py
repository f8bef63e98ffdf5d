import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from jobs.models import JobState
from jobs.states import ACTIVE, ICONS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("drill_urls")]


def card(job, **context):
    request = RequestFactory().get("/")
    return render_to_string("jobs/_progress.html", {"job": job, **context}, request)


@pytest.mark.parametrize("state", JobState.values)
def test_every_state_is_told_by_its_word(make_job, state):
    job = make_job(state=state)
    page = card(job)
    assert f'class="badge badge--{state}"' in page
    assert JobState(state).label in page
    assert ("data-job-live" in page) == (state in ACTIVE)
    assert ICONS[state]


def test_a_running_job_shows_bar_and_figures(make_job):
    page = card(make_job(state="running", bytes_done=512, bytes_total=1024, rate=1500.4, eta_seconds=65))
    for text in ('value="50.0"', "512 B", "1.0 KiB", "1,500", "1 min 5 s"):
        assert text in page


def test_buttons_are_there_when_they_would_do_something(make_job):
    running = card(make_job(state="running"))
    assert "/cancel/" in running
    assert 'data-show="canCancel">' in running
    assert 'data-show="canRetry" hidden>' in running
    assert "csrfmiddlewaretoken" in running
    assert 'data-show="canRetry">' in card(make_job(state="failed"))
    assert "/elsewhere/" in card(make_job(), cancel_url="/elsewhere/")


def test_a_failed_job_tells_what_to_do_next(make_job):
    job = make_job(state="failed", error_code="no_text", error_message="<No> text.", error_hint="Send one.")
    page = card(job)
    for text in ("&lt;No&gt; text.", "Send one.", "no_text"):
        assert text in page


def test_the_log_is_shown_where_it_is_given(make_job):
    job = make_job()
    job.log("warning", "odd")
    page = card(job, log_lines=job.log_lines())
    assert '<li class="log__warning">' in page


def test_nothing_in_the_card_needs_an_inline_style_or_script(make_job):
    page = card(make_job(state="running"))
    assert "style=" not in page
    assert "<script" not in page
    assert "onclick" not in page
