"""The real processes: the site answers, the worker and beat run, and both come back."""

import json
import urllib.error
import urllib.request

from tests.waiting import until


def get(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_site_says_that_it_is_well(live_site):
    status, _, body = get(f"{live_site.url}/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok"})


def test_static_files_come_from_the_same_server(live_site):
    status, headers, body = get(f"{live_site.url}/static/admin/css/base.css")
    assert status == 200
    assert headers["Content-Type"].startswith("text/css")
    assert len(body) > 1000


def test_pages_carry_the_security_headers(live_site):
    _, headers, _ = get(f"{live_site.url}/accounts/login/")
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_an_unknown_endpoint_is_a_problem_and_an_unknown_page_is_a_page(live_site):
    status, headers, body = get(f"{live_site.url}/api/v1/nothing/")
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(body)["code"] == "not_found"
    status, headers, _ = get(f"{live_site.url}/nothing/")
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_foreign_host_name_is_refused(live_site):
    status, _, _ = get(f"{live_site.url}/healthz", Host="evil.example.org")
    assert status == 400


def test_beat_rings_and_the_worker_answers(live_site):
    until(lambda: "jobs.tasks.reap" in live_site.log_text("worker"), 20)


def test_a_killed_worker_can_be_started_again(live_site):
    live_site.kill_worker()
    live_site.start_worker()


def test_the_metrics_count_requests(live_site):
    _, _, body = get(f"{live_site.url}/metrics")
    assert b"django_http_requests_total_by_method_total" in body
