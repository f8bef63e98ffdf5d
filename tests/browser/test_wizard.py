"""An import from its files to its undoing, step by step, as a person does it."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.imports.transcripts import transcript

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SESSION = "6f1c0c3e-0000-4000-8000-00000000ba0d"
JOB_PAGE = re.compile(r"/imports/[0-9a-f-]{36}/$")
ROWS = 6000


@pytest.fixture
def snapshots(page) -> list[dict]:
    """What comes over the page's WebSockets."""
    told: list[dict] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(json.loads(frame))))
    return told


def table(tmp_path):
    """Letters about parcels, none of whose columns says what it holds, and a row that is cut short."""
    rows = (f"P-{n // 10},{1 + n % 28}.03.2026 09:{n % 60:02},{'customer' if n % 2 else 'agent'},Parcel number {n} is still on its way\n" for n in range(ROWS))
    file = tmp_path / "parcels.csv"
    file.write_text("A,B,C,D\n" + "".join(rows) + "P-0,no more\n")
    return file


def choose(page, live_site, *files):
    page.goto(f"{live_site.url}/imports/new/")
    page.locator("#upload-files").set_input_files(files)
    next_step(page, "format")


def next_step(page, name):
    page.get_by_role("button", name="Next", exact=True).or_(page.get_by_role("link", name="Next", exact=True)).click()
    page.wait_for_url(re.compile(f"/imports/drafts/.*/{name}/$"))
    expect(page.locator("[aria-current=step]")).to_be_visible()


def ended(page, state):
    expect(page.locator(".job-card .badge")).to_have_text(state, timeout=90_000)


def figure(page, name):
    return page.locator(f"[data-field='counts.{name}']")


def test_a_table_is_previewed_tried_imported_and_undone(staff, live_site, snapshots, complaints, tmp_path):
    page = staff
    choose(page, live_site, table(tmp_path))
    page.get_by_label("Read them as").select_option("csv")
    next_step(page, "mapping")

    page.get_by_label("Text").select_option("D")
    expect(page.locator("[data-examples=text]")).to_contain_text("Parcel number 0 is still on its way")
    page.get_by_label("Role").select_option("C")
    page.get_by_label("Time", exact=True).select_option("B")
    page.get_by_label("Conversation").select_option("A")
    page.get_by_label("Times look like").select_option("day-first")
    next_step(page, "preview")

    expect(page.locator(".thread")).to_contain_text("Parcel number 0 is still on its way")
    page.reload()
    expect(page.locator(".stats")).to_contain_text("2,0")
    next_step(page, "options")

    page.get_by_role("radio", name="Keep the old one").check()
    page.get_by_role("button", name="Dry run first").click()
    page.wait_for_url(JOB_PAGE)
    ended(page, "Completed with errors")
    expect(page.get_by_role("heading", name="This was a dry run: nothing was changed")).to_be_visible()
    expect(page.locator("main")).to_contain_text("6,000 would be new, 1 would be rejected")

    plan = page.url
    page.get_by_role("button", name="Import now as planned").click()
    page.wait_for_url(lambda url: bool(JOB_PAGE.search(url)) and url != plan)
    ended(page, "Completed with errors")
    mine = page.url.rstrip("/").rsplit("/", 1)[-1]
    phases = {each.get("phase") for each in snapshots if each.get("id") == mine}
    assert "importing" in phases, "progress came over the WebSocket"
    expect(figure(page, "inserted")).to_have_text("6,000")
    expect(page.locator("main")).to_contain_text("It came out as its dry run said.")
    expect(page.locator("main")).to_contain_text("keep the old one")

    page.get_by_role("link", name="Undo this import").click()
    expect(page.locator("main")).to_contain_text("6,000")
    page.get_by_role("button", name="Undo it").click()
    page.wait_for_url(JOB_PAGE)
    ended(page, "Rolled back")
    expect(page.locator("main")).to_contain_text("nothing of this import is in the archive")
    assert complaints == []


def test_bad_records_are_seen_beforehand_downloaded_and_tried_again(staff, live_site, complaints, tmp_path):
    page, file = staff, tmp_path / "talk.jsonl"
    file.write_bytes(transcript(20, SESSION, text="About owls") + b"{not json\n// a note\n")
    choose(page, live_site, file)
    expect(page.locator("main")).to_contain_text("Claude Code transcript: 20 of 22")
    next_step(page, "preview")
    expect(page.locator("main")).to_contain_text("1 × not JSON")
    next_step(page, "options")
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(JOB_PAGE)
    ended(page, "Completed with errors")
    expect(figure(page, "rejected")).to_have_text("2")
    expect(page.get_by_role("link", name="About owls 0")).to_be_visible()

    downloads = {}
    for form in ("JSONL", "CSV"):
        with page.expect_download() as download:
            page.get_by_role("link", name=form, exact=True).click()
        downloads[form] = download.value.path().read_text()
    assert [json.loads(line)["text"].strip() for line in downloads["JSONL"].splitlines()] == ["{not json", "// a note"]
    assert downloads["CSV"].splitlines()[0].startswith("file,line,byte,code,reason")

    page.get_by_role("button", name="Try only these again").click()
    page.wait_for_url(re.compile(r"/imports/drafts/.*/format/$"))
    expect(page.locator("main")).to_contain_text("rejected-")
    page.get_by_role("link", name="Back", exact=True).click()
    page.get_by_role("button", name=re.compile("Give up rejected-")).click()
    expect(page.get_by_role("status").first).to_contain_text("was given up")
    assert complaints == []


def test_the_steps_are_gone_through_by_keyboard_alone(staff, live_site, tmp_path):
    page, file = staff, tmp_path / "key.jsonl"
    file.write_bytes(transcript(4, "6f1c0c3e-0000-4000-8000-00000000beef"))
    choose(page, live_site, file)
    for name in ("preview", "options"):
        page.get_by_text("Next", exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"/{name}/$"))
    page.get_by_role("radio", name="Keep both").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Keep the old one")).to_be_checked()
    page.get_by_role("button", name="Import now").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(JOB_PAGE)
    ended(page, "Completed")


@pytest.mark.parametrize("width", [1280, 390])
def test_no_step_is_wider_than_the_window(staff, live_site, tmp_path, width):
    page = staff
    page.set_viewport_size({"width": width, "height": 800})
    choose(page, live_site, table(tmp_path))
    page.get_by_label("Read them as").select_option("csv")
    for name in ("mapping", "preview", "options"):
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        if name == "preview":
            page.get_by_label("Text").select_option("D")
        next_step(page, name)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
