"""Reading conversations in a real browser: nothing hostile acts, nothing runs off a small screen."""

import re

import pytest
from playwright.sync_api import expect

from browse.summaries import session_url
from tests.browse.conftest import LONG, MAIN, fill
from tests.browse.other_sources import (
    ASKED_AGAIN,
    BRANCHED,
    EVIL,
    EVIL_NODES,
    PAGE,
    write_chatgpt,
    write_claude_ai,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CONVERSATION = f"/sessions/{MAIN}/"
HOSTILE = (CONVERSATION, f"/sessions/{EVIL}/", f"/sessions/{EVIL_NODES}/")
PAGES = ("/", "/sessions/", *HOSTILE, f"/sessions/{BRANCHED}/", f"/sessions/{ASKED_AGAIN}/?view=all", f"/sessions/{LONG}/?page=2", "/imports/", "/imports/new/", "/exports/",
         "/exports/new/", "/admin/", "/nowhere/")  # fmt: skip


@pytest.fixture(scope="module")
def filled_site(live_site, tmp_path_factory):
    """The live site with the conversations of the page tests in it, the hostile ones too."""
    folder = tmp_path_factory.mktemp("conversations")
    fill(folder)
    write_claude_ai(folder)
    write_chatgpt(folder)
    done = live_site.manage("import_archive", str(folder), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return live_site


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_conversation_does_nothing(staff, filled_site, complaints, path):
    asked = []
    staff.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    staff.on(
        "request", lambda request: asked.append(request.url) if filled_site.url not in request.url else None
    )

    staff.goto(filled_site.url + path)
    staff.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true })")
    for link in staff.locator(".prose a").all():
        assert re.match(r"https?://|mailto:|None$", str(link.get_attribute("href")))
    staff.locator(".prose").first.hover()
    expect(staff.get_by_text("<script>alert(1)</script>").first).to_be_visible()

    assert asked == []
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_small_screen(staff, filled_site, scheme):
    staff.set_viewport_size({"width": 360, "height": 740})
    staff.emulate_media(color_scheme=scheme)
    page, beyond = "document.documentElement", {}
    for path in PAGES:
        staff.goto(filled_site.url + path)
        beyond[path] = staff.evaluate(f"{page}.scrollWidth - {page}.clientWidth")

    assert {path: pixels for path, pixels in beyond.items() if pixels > 0} == {}


def test_times_are_shown_in_the_readers_zone(browser, filled_site, staff):
    context = browser.new_context(
        timezone_id="Asia/Tokyo", locale="en-GB", storage_state=staff.context.storage_state()
    )
    page = context.new_page()
    page.goto(filled_site.url + CONVERSATION)

    shown = page.locator(".facts time").first
    expect(shown).to_have_text(re.compile("31 Jan 2026.* 09:00"))
    expect(shown).to_have_attribute("title", "2026-01-31 00:00:01 UTC")
    context.close()


def test_a_conversation_is_found_read_and_left(staff, filled_site, complaints):
    staff.get_by_role("link", name="Conversations", exact=True).click()
    staff.get_by_label("Text in the title").fill("cart")
    staff.get_by_role("button", name="Show").click()
    staff.get_by_role("link", name="Fix the <b>cart</b> total").click()
    shown = staff.locator(".message__body > a > img").first
    shown.scroll_into_view_if_needed()
    expect(shown).to_have_js_property("naturalWidth", 1)
    call = staff.locator("details", has_text="pytest -q").first
    call.locator("summary").focus()
    staff.keyboard.press("Enter")
    expect(call.locator("code")).to_have_text("pytest -q")
    staff.get_by_role("link", name="Only prompts and answers").click()
    expect(staff.get_by_text("pytest -q")).to_have_count(0)
    staff.get_by_role("link", name="record").first.click()
    expect(staff.get_by_role("heading", name="The original record")).to_be_visible()
    with staff.expect_download() as download:
        staff.get_by_role("link", name="Download the line").click()
    assert download.value.suggested_filename.endswith(".jsonl")
    assert complaints == []


def test_versions_are_leafed_through_and_an_artifact_is_taken_along(staff, filled_site, complaints):
    staff.goto(f"{filled_site.url}/sessions/{BRANCHED}/")
    artifact = staff.locator("details", has_text="Engine page").first
    artifact.locator("summary").click()
    expect(artifact.locator("pre")).to_contain_text("<script>alert('an artifact ran')</script>")
    with staff.expect_download() as download:
        artifact.get_by_role("link", name="Download as text").click()
    assert download.value.suggested_filename == "engine-page.txt"
    assert download.value.path().read_text() == PAGE.replace("Punched cards", "Punched cards of Jacquard")

    expect(staff.get_by_text("Show me a loom")).to_have_count(0)
    staff.get_by_role("link", name="Version before").click()
    expect(staff.get_by_text("Show me a loom")).to_be_visible()
    expect(staff.get_by_text("Show me the notes instead")).to_have_count(0)
    staff.get_by_role("link", name="Read the current version").click()
    expect(staff.get_by_text("Show me the notes instead")).to_be_visible()
    staff.get_by_role("link", name="All versions").click()
    expect(staff.get_by_role("link", name="other version")).to_have_count(3)
    assert complaints == []


def test_pages_are_turned_and_jumped_to(staff, filled_site):
    staff.goto(filled_site.url + session_url(LONG))
    staff.get_by_role("button", name="Next").first.click()
    expect(staff.get_by_text("Prompt number 50", exact=True)).to_be_visible()
    staff.get_by_label("Page").first.fill("3")
    staff.keyboard.press("Enter")
    expect(staff.get_by_text("Answer 129", exact=True)).to_be_visible()


def test_the_keyboard_reaches_the_content_and_the_way_out(staff, filled_site):
    staff.goto(f"{filled_site.url}/sessions/")
    staff.keyboard.press("Tab")
    expect(staff.get_by_role("link", name="Skip to the content")).to_be_focused()
    staff.keyboard.press("Enter")
    expect(staff.locator("main")).to_be_focused()
    staff.locator(".user-menu summary").press("Enter")
    staff.get_by_role("button", name="Log out").press("Enter")
    expect(staff.get_by_role("heading", name="Log in")).to_be_visible()
