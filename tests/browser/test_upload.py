"""From a file on a person's disk to a conversation on the screen and an export on the disk again."""

import json
import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.imports.transcripts import transcript

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

IMPORT_PAGE = re.compile(r"/imports/[0-9a-f-]{36}/$")
SESSION = "6f1c0c3e-0000-4000-8000-00000000b0b0"


@pytest.fixture
def new_import(staff, live_site):
    staff.goto(f"{live_site.url}/imports/new/")
    return staff


@pytest.fixture
def snapshots(page) -> list[dict]:
    """What comes over the page's WebSockets."""
    told: list[dict] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(json.loads(frame))))
    return told


def write(path, body: bytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def start(page):
    page.get_by_role("button", name="Import right away").click()
    page.wait_for_url(IMPORT_PAGE, timeout=60_000)


def expect_state(page, word):
    expect(page.locator(".job-card .badge")).to_have_text(word, timeout=60_000)


def test_a_file_is_uploaded_watched_read_and_exported(new_import, snapshots, complaints, tmp_path, live_site):
    page, body = new_import, transcript(60_000, SESSION, text="A question about parrots")
    page.locator("#upload-files").set_input_files(write(tmp_path / "talk.jsonl", body))
    expect(page.locator("#upload-status")).to_contain_text("1 file")
    start(page)
    expect_state(page, "Completed")
    moved = sorted({each["percent"] for each in snapshots if each.get("percent") is not None})
    assert len(moved) > 1, "the bar moved over the WebSocket"
    expect(page.locator("[data-field='counts.inserted']")).to_have_text("60,000")

    page.get_by_role("link", name="Read the conversations").click()
    page.get_by_role("link", name="A question about parrots").first.click()
    expect(page.locator("main")).to_contain_text("A question about parrots 0")

    page.goto(f"{live_site.url}/exports/new/")
    page.locator("input[name=format][value=claude-code]").check()
    page.get_by_role("button", name="Start export").click()
    link = page.get_by_role("link", name=re.compile("download", re.IGNORECASE)).first
    expect(link).to_be_visible(timeout=60_000)
    with page.expect_download() as download:
        link.click()
    with zipfile.ZipFile(download.value.path()) as exported:
        assert body in [exported.read(name) for name in exported.namelist()]
    assert complaints == []


def test_a_folder_keeps_its_paths_and_leaves_side_files_out(new_import, complaints, tmp_path):
    folder = tmp_path / "projects"
    for number in (1, 2):
        session = f"6f1c0c3e-0000-4000-8000-00000000f00{number}"
        write(folder / "-home-ada-birds" / f"{session}.jsonl", transcript(4, session))
    write(folder / "-home-ada-birds" / "notes.txt", b"side file")
    new_import.locator("#upload-folder").set_input_files(folder)
    expect(new_import.locator("#upload-status")).to_contain_text("2 files")
    expect(new_import.locator("#upload-status")).to_contain_text("1 other file")
    start(new_import)
    expect_state(new_import, "Completed")
    expect(new_import.locator("main")).to_contain_text("projects/-home-ada-birds/")
    assert complaints == []


def test_an_upload_goes_on_by_itself_when_the_network_comes_back(new_import, tmp_path):
    cuts = []

    def cut(route):
        if route.request.method == "PATCH" and len(cuts) < 3:
            cuts.append(route.request.url)
            route.abort("connectionreset")
        else:
            route.continue_()

    new_import.route("**/api/v1/uploads/**", cut)
    session = "6f1c0c3e-0000-4000-8000-00000000cccc"
    new_import.locator("#upload-files").set_input_files(write(tmp_path / "cut.jsonl", transcript(50, session)))
    start(new_import)
    expect_state(new_import, "Completed")
    assert len(cuts) == 3


def test_what_cannot_be_imported_is_told_at_once_with_what_can(new_import, tmp_path):
    new_import.locator("#upload-files").set_input_files(
        [write(tmp_path / "a.exe", b"MZ"), write(tmp_path / "empty.jsonl", b"")]
    )
    told = new_import.get_by_role("alert")
    expect(told).to_contain_text("a.exe: it is not a kind of file that can be imported")
    expect(told).to_contain_text("empty.jsonl: it is empty")
    expect(told).to_contain_text(".jsonl")
    expect(new_import.get_by_role("button", name="Import right away")).to_be_disabled()


def test_files_are_dropped(new_import, complaints):
    body = transcript(4, "6f1c0c3e-0000-4000-8000-00000000d40b").decode()
    data = new_import.evaluate_handle(
        """(text) => {
          const data = new DataTransfer();
          data.items.add(new File([text], "dropped.jsonl"));
          return data;
        }""",
        body,
    )
    new_import.dispatch_event("#upload-zone", "drop", {"dataTransfer": data})
    expect(new_import.locator("#upload-list")).to_contain_text("dropped.jsonl")
    start(new_import)
    expect_state(new_import, "Completed")
    assert complaints == []


def test_the_upload_page_is_used_by_keyboard_alone(new_import, tmp_path):
    session = "6f1c0c3e-0000-4000-8000-00000000cafe"
    new_import.locator("#upload-files").set_input_files(write(tmp_path / "key.jsonl", transcript(4, session)))
    new_import.locator("#upload-files").focus()
    for _ in range(4):
        new_import.keyboard.press("Tab")
        if new_import.evaluate("document.activeElement.id") == "upload-start":
            break
    new_import.keyboard.press("Enter")
    new_import.wait_for_url(re.compile(r"/imports/drafts/[0-9a-f-]{36}/format/$"))
