"""A job's page without its WebSocket: it polls, tries again, and still tells the end."""

import re

import pytest
from playwright.sync_api import expect

from tests.imports.transcripts import transcript

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

JOB_API = re.compile(r"/api/v1/jobs/[0-9a-f-]{36}/$")


@pytest.fixture
def start_import(staff, live_site, tmp_path):
    """Import a transcript of so many lines by the page; the page then shows the job."""

    def start(lines, session):
        file = tmp_path / f"{session}.jsonl"
        file.write_bytes(transcript(lines, session, text="What moves"))
        staff.goto(f"{live_site.url}/imports/new/")
        staff.locator("#upload-files").set_input_files(file)
        expect(staff.locator("#upload-status")).to_contain_text("1 file")
        staff.get_by_role("button", name="Import right away").click()
        staff.wait_for_url(re.compile(r"/imports/[0-9a-f-]{36}/$"), timeout=60_000)
        return staff

    return start


def test_without_a_websocket_the_page_polls_until_the_end(page, start_import, live_site):
    polled = []
    page.on("response", lambda answer: polled.append(answer) if JOB_API.search(answer.url) else None)
    page.route_web_socket(re.compile(r"/ws/jobs/"), lambda socket: socket.close())
    live_site.kill_worker()
    try:
        start_import(20_000, "6f1c0c3e-0000-4000-8000-00000000c0c1")
        badge = page.locator(".job-card .badge")
        expect(badge).to_have_text("Queued")
        with page.expect_response(JOB_API, timeout=20_000):
            pass
    finally:
        live_site.start_worker()
    expect(badge).to_have_text("Completed", timeout=60_000)
    expect(page.locator(".job-card [data-field='counts.inserted']")).to_have_text("20,000")
    assert {answer.status for answer in polled} == {200}


def test_a_socket_that_was_cut_is_opened_again(page, start_import, live_site, complaints):
    opened = []
    page.on("websocket", lambda socket: opened.append(socket.url))
    live_site.kill_worker()
    try:
        start_import(100, "6f1c0c3e-0000-4000-8000-00000000c0c2")
        expect(page.locator(".job-card .badge")).to_have_text("Queued")
        live_site.kill_web()
        live_site.start_web()
        page.wait_for_event("websocket", timeout=30_000)
    finally:
        live_site.start_worker()
    expect(page.locator(".job-card .badge")).to_have_text("Completed", timeout=60_000)
    assert len(opened) >= 2
    assert not [told for told in complaints if "Content Security Policy" in told]


def test_a_waiting_job_is_cancelled_by_its_button_and_can_then_be_run_again(page, start_import, live_site):
    live_site.kill_worker()
    try:
        start_import(100, "6f1c0c3e-0000-4000-8000-00000000c0c3")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".job-card .badge")).to_have_text("Cancelled", timeout=20_000)
        expect(page.get_by_role("button", name="Run again")).to_be_visible()
    finally:
        live_site.start_worker()
