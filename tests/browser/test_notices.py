"""Notices in a real browser: shown on every page, put away without leaving it; and files that are known."""

import pytest
from playwright.sync_api import expect

from tests.imports.live_client import Script
from tests.imports.transcripts import transcript
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MAKE = """
from django.contrib.auth import get_user_model
from jobs.models import Notice
from uuid import uuid4
Notice.objects.all().delete()
for number in range({count}):
    Notice.objects.create(owner=get_user_model().objects.get(username="admin"), job_id=uuid4(), token=1, kind="import",
        title="x", state="completed", text=f"Import number {{number}} has ended.", seconds=65, parameters={{"files": 3}})
"""


@pytest.fixture
def make_notices(live_site):
    def make(count):
        made = live_site.manage("shell", "-c", MAKE.format(count=count))
        assert made.returncode == 0, made.stderr

    yield make
    make(0)


def test_a_notice_is_put_away_by_the_keyboard_without_leaving_the_page(staff, live_site, make_notices, complaints):
    make_notices(2)
    staff.goto(f"{live_site.url}/exports/")
    region = staff.get_by_role("region", name="Jobs that have ended")
    expect(region.get_by_role("listitem")).to_have_count(2)
    expect(region).to_contain_text("took 1 min 5 s")
    staff.evaluate("() => { window.stayed = true; }")
    region.get_by_role("button", name="Put away: Import number 1 has ended.").press("Enter")
    expect(region.get_by_role("listitem")).to_have_count(1)
    expect(region.get_by_role("button")).to_be_focused()
    staff.keyboard.press("Enter")
    expect(region).to_have_count(0)
    assert staff.evaluate("() => window.stayed")
    staff.goto(f"{live_site.url}/imports/")
    expect(staff.get_by_text("has ended.")).to_have_count(0)
    assert complaints == []


def test_of_many_three_are_shown_the_next_one_moves_up_and_all_can_go(staff, live_site, make_notices, complaints):
    make_notices(5)
    staff.goto(f"{live_site.url}/exports/")
    region = staff.get_by_role("region", name="Jobs that have ended")
    expect(region).to_contain_text("and 2 more")
    region.get_by_role("button", name="Put away: Import number 4 has ended.").click()
    expect(region).to_contain_text("and 1 more")
    expect(region.get_by_role("listitem")).to_have_count(3)
    region.get_by_role("button", name="Put all away").click()
    expect(region).to_have_count(0)
    assert staff.url == f"{live_site.url}/exports/"
    assert complaints == []


def test_a_narrow_page_does_not_scroll_sideways(staff, live_site, make_notices):
    make_notices(5)
    staff.set_viewport_size({"width": 390, "height": 800})
    staff.goto(f"{live_site.url}/exports/")
    assert staff.evaluate("() => document.documentElement.scrollWidth") == 390


def test_a_file_that_was_imported_before_is_named_so_beside_it(staff, live_site, tmp_path):
    body = transcript(5, "6f1c0c3e-0000-4000-8000-0000000000c7")
    script = Script(live_site)
    job = script.start_import(script.upload(body))
    until(lambda: script.get(job)["isFinished"], 60)
    file = tmp_path / "again.jsonl"
    file.write_bytes(body)
    staff.route("**/api/v1/imports/", lambda route: None)  # the import never begins: the page stays
    staff.goto(f"{live_site.url}/imports/new/")
    staff.locator("#upload-files").set_input_files(file)
    staff.get_by_role("button", name="Import right away", exact=True).click()
    expect(staff.locator("#upload-list [data-part=note]").first).to_contain_text("0 new expected")
