"""The pages of the site itself, in a real browser under the real content security policy."""

import pytest

pytestmark = pytest.mark.browser


def test_the_api_documentation_works_under_our_policy(staff, live_site, complaints):
    staff.goto(f"{live_site.url}/api/docs/")
    staff.get_by_text("/api/v1/tokens/", exact=True).first.wait_for()
    assert complaints == []


def test_the_admin_works_under_our_policy(staff, live_site, complaints):
    for path in ("/admin/", "/admin/auth/user/", "/admin/auth/user/add/"):
        staff.goto(live_site.url + path)
    assert complaints == []


def test_a_websocket_of_the_same_host_is_within_the_policy(staff, live_site, complaints):
    staff.goto(f"{live_site.url}/")
    opened = staff.evaluate(
        """() => new Promise((resolve) => {
            const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws/jobs/");
            socket.onopen = () => resolve("open");
            socket.onerror = () => resolve("error");
        })"""
    )
    assert opened == "open"
    assert complaints == []


def test_a_script_in_the_page_is_blocked(staff, live_site):
    staff.goto(f"{live_site.url}/")
    ran = staff.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            return window.ran === true;
        }"""
    )
    assert ran is False
