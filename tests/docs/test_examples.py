"""The examples of the API's page, run as they stand there, against the running site."""

import hashlib
import json
import subprocess
import zipfile

import pytest

from tests.docs.reading import examples
from tests.live import PASSWORD, USER
from tests.samples.making import conversation, dump, joined, user

pytestmark = pytest.mark.timeout(180)
PART = 8 * 1024**2


@pytest.fixture(scope="module")
def shell(live_site, tmp_path_factory):
    """Runs shell code in a folder of its own, signed in by the page's first example."""
    folder = tmp_path_factory.mktemp("examples")
    script = examples()["token"].replace("http://localhost:8000", live_site.url)
    script = script.replace(f"-u {USER} ", f"-u {USER}:{PASSWORD} ")
    token = run(script + '\nprintf %s "$CLAUDELENS_TOKEN"', folder, live_site.env)
    env = live_site.env | {"CLAUDELENS_URL": live_site.url, "CLAUDELENS_TOKEN": token}

    def in_shell(script, *arguments):
        return run(script, folder, env, *arguments)

    in_shell.folder = folder
    in_shell.site = live_site
    return in_shell


def run(script, folder, env, *arguments):
    """The stdout of a script that has to succeed."""
    ended = subprocess.run(
        ["sh", "-euc", script, "example", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_there_is_an_example_of_each_way():
    assert set(examples()) == {"token", "first", "upload.sh", "export", "live"}


def test_the_first_steps_import_watch_and_list(shell):
    (shell.folder / "transcript.jsonl").write_bytes(joined(conversation("docs-first", 4)))
    answers = shell(examples()["first"].replace("\ncurl", "\necho\ncurl")).splitlines()
    job, jobs, sessions = map(json.loads, answers)
    assert job["kind"] == "import"
    assert jobs["results"][0]["id"] == job["id"]
    assert "results" in sessions


def test_a_large_file_is_sent_in_parts_and_imported(shell):
    lines = joined([dump(user("docs-large", number, "x" * 300_000)) for number in range(40)])
    assert len(lines) > PART
    (shell.folder / "large file.jsonl").write_bytes(lines)
    job = json.loads(shell(examples()["upload.sh"], "large file.jsonl"))
    assert job["files"][0]["name"] == "large file.jsonl"
    assert job["files"][0]["sha256"] == hashlib.sha256(lines).hexdigest()


def test_an_export_is_made_waited_for_and_downloaded(shell):
    shell(examples()["export"])
    whole = (shell.folder / "export.zip").read_bytes()
    (shell.folder / "export.zip").write_bytes(whole[: len(whole) // 2])
    again = examples()["export"].splitlines()[-1]
    newest = json.loads(shell('curl -sS -H "Authorization: Token $CLAUDELENS_TOKEN" "$CLAUDELENS_URL/api/v1/exports/"'))
    shell(f'id={newest["results"][0]["id"]}; auth="Authorization: Token $CLAUDELENS_TOKEN"\n{again}')
    assert (shell.folder / "export.zip").read_bytes() == whole
    with zipfile.ZipFile(shell.folder / "export.zip") as archive:
        assert archive.testzip() is None


def test_a_live_export_is_fetched(shell):
    lines = joined([dump(user("docs-live", number, "hello")) for number in range(3)])
    (shell.folder / "live.jsonl").write_bytes(lines)
    done = shell.site.manage("import_archive", str(shell.folder / "live.jsonl"))
    assert done.returncode == 0, done.stderr
    script = examples()["live"]
    assert "since=2026-01-01" in script
    shell(script.replace("2026-01-01", "2000-01-01"))
    fetched = [json.loads(line) for line in (shell.folder / "messages.jsonl").read_bytes().splitlines()]
    assert [each["sessionId"] for each in fetched].count("docs-live") == 3
