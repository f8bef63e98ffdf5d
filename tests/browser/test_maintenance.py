"""Maintenance in a real browser: a dry run, its plan, and the very plan run, all of it live."""

import pytest

pytestmark = pytest.mark.browser


def test_a_dry_run_is_watched_and_its_plan_is_run(staff, live_site, complaints):
    staff.get_by_role("link", name="Maintenance").click()
    staff.get_by_role("row", name="Verify the archive").get_by_role("link", name="Plan").click()
    staff.get_by_role("button", name="Dry run").click()
    staff.get_by_role("heading", name="What would be done").wait_for()
    staff.get_by_role("button", name="Run this plan").click()
    staff.locator("[data-field=state]", has_text="Completed").wait_for()
    staff.get_by_role("heading", name="What came of it").wait_for()
    assert complaints == []


@pytest.mark.parametrize("path", ["/maintenance/", "/maintenance/new/rotate/", "/admin/maintenance/tierpolicy/add/"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(staff, live_site, complaints, path, width):
    staff.set_viewport_size({"width": width, "height": 900})
    staff.goto(live_site.url + path)
    if "/admin/" not in path:
        assert staff.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
