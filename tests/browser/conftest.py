"""A real Chromium, signed in to a running site, that reports every error on a page."""

import shutil

import pytest

from tests.live import PASSWORD, USER


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """Debian's Chromium; its sandbox does not work for root in a container."""
    return browser_type_launch_args | {
        "executable_path": shutil.which("chromium") or "/usr/bin/chromium",
        "args": ["--no-sandbox", "--disable-dev-shm-usage"],
    }


@pytest.fixture
def complaints(page) -> list[str]:
    """What the browser complained about: script errors, broken rules of the content policy."""
    told: list[str] = []
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    return told


@pytest.fixture
def staff(page, live_site, complaints):
    """The page of somebody who has signed in."""
    page.goto(f"{live_site.url}/accounts/login/")
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_site.url}/")
    return page
