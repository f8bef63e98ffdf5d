"""``manage.py migrate_claudelens``: a classic database taken in whole, read only, however often it is stopped."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from bson import Decimal128, ObjectId
from bson.dbref import DBRef
from bson.regex import Regex
from django.conf import settings
from django.core.management import CommandError, call_command
from pymongo import MongoClient, monitoring

from archive import claudelens_source
from archive.claudelens_source import plain
from archive.errors import BadInput
from archive.unit_of_work import end_session
from imports.migration import find_migration
from imports.models import ImportJob
from imports.readers.claudelens_database import line_of
from tests import run as test_run
from tests.emptying import empty
from tests.imports.old_claudelens import START, Lines, conversations, documents_of, fill
from tests.imports.running import check_events, check_files, check_projects, run
from tests.waiting import until

OLD = f"{test_run.DATABASE}_old_claudelens"  # each of the tests' processes has its own
ROOT = Path(__file__).resolve().parents[2]
# Of a line that is taken apart: three of an answer, of them one with a call; a result stands for its line.
DOCUMENTS_A_TURN, LINES_A_TURN = 7, 6


@pytest.fixture
def old(servers):
    """An empty classic database on the tests' server."""
    with MongoClient(servers.mongodb_url) as client:
        client.drop_database(OLD)
        yield client[OLD]
        client.drop_database(OLD)


@pytest.fixture
def url(servers):
    return servers.mongodb_url


@pytest.fixture
def _owner(archive_db, redis_server, people):
    """The command runs the import in its own process, for a user."""


def migrate(url: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    out, ended = StringIO(), 0
    try:
        call_command("migrate_claudelens", url, "--database", OLD, *arguments, "--json", stdout=out, stderr=StringIO())
    except CommandError as error:
        ended = error.returncode
    except SystemExit as error:
        ended = error.code
    assert ended == code, out.getvalue()
    return json.loads(out.getvalue().splitlines()[-1])


def transcripts(folder: Path, made: list[Lines]) -> Path:
    """The transcripts that the old database was made of."""
    for lines in made:
        place = folder / "projects" / lines.cwd.replace("/", "-") / f"{lines.session}.jsonl"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines.made))
    return folder / "projects"


def check(db: Any) -> None:
    check_files(db)
    check_projects(db)
    check_events(db)


def calls(db: Any) -> dict[str, Any]:
    return {each["_id"]: {k: v for k, v in each.items() if k != "importId"} for each in db.api_calls.find()}


def wipe(db: Any) -> None:
    empty(db)


# ------------------------------------------------------------------ all of it


@pytest.mark.usefixtures("_owner")
def test_every_message_comes_with_its_session_and_project(archive_db, old, url):
    count = fill(old, conversations(4))
    told = migrate(url)
    assert told["state"] == "completed"
    assert told["counts"]["inserted"] == told["counts"]["seen"] == count == archive_db.messages_current.count_documents({})
    sessions = {each["_id"]: each for each in archive_db.sessions.find()}
    assert {each["summary"] for each in sessions.values()} == {f"Summary {number}" for number in range(4)}
    projects = {each["slug"]: each["path"] for each in archive_db.projects.find()}
    assert projects == {f"-home-ada-project{n}": f"/home/ada/project{n}" for n in range(3)}
    assert told["there"]["messages"] == count
    assert (told["there"]["sessions"], told["there"]["projects"], told["there"]["costUsd"]) == (4, 3, "2.0")
    check(archive_db)


@pytest.mark.usefixtures("_owner")
@pytest.mark.parametrize("rolling", [True, False])
def test_it_costs_what_the_transcripts_cost(archive_db, old, url, tmp_path, rolling):
    made = conversations(60)  # into August
    run(transcripts(tmp_path, made))
    expected = calls(archive_db)
    sums = {each["_id"]: (each["totalCost"], each["outputTokens"], each["callCount"]) for each in archive_db.sessions.find()}
    wipe(archive_db)
    fill(old, made, rolling=rolling)
    assert ("messages_2025_08" in old.list_collection_names()) == rolling
    told = migrate(url)
    assert calls(archive_db) == expected
    assert {each["_id"]: (each["totalCost"], each["outputTokens"], each["callCount"]) for each in archive_db.sessions.find()} == sums
    assert told["here"]["outputTokens"] == 60 * 2 * 35
    assert Decimal(told["here"]["costUsd"]) == sum(each["costUsd"].to_decimal() for each in expected.values())
    assert Decimal(told["here"]["costUsd"]) < Decimal(told["there"]["costUsd"])


@pytest.mark.usefixtures("_owner")
def test_the_transcripts_themselves_add_nothing_any_more(archive_db, old, url, tmp_path):
    made = conversations(3)
    count = fill(old, made)
    migrate(url)
    done = run(transcripts(tmp_path, made), job="transcripts")
    assert (done.seen, done.inserted) == (3 * 2 * LINES_A_TURN, 0)
    assert count == 3 * 2 * DOCUMENTS_A_TURN == archive_db.messages_current.count_documents({})
    check(archive_db)


@pytest.mark.usefixtures("_owner")
def test_what_the_old_program_knew_besides_is_kept(archive_db, old, url):
    fill(old, conversations(1, 1))
    migrate(url)
    found = archive_db.messages_current.find_one({"text": "answer 0"})
    stored = old.messages.find_one({"uuid": found["uuid"]})
    assert found["source"] == "claudelens"
    assert found["origin"]["_id"] == str(stored["_id"])
    assert (found["origin"]["costUsd"], found["origin"]["collection"]) == ("0.0042", "messages")
    assert found["timestamp"] == stored["timestamp"].replace(tzinfo=START.tzinfo)


# ------------------------------------------------------------------ again, and in parts


@pytest.mark.usefixtures("_owner")
def test_run_again_it_adds_what_is_new(archive_db, old, url):
    made = conversations(3)
    count = fill(old, made)
    migrate(url)
    more = Lines(3)
    more.turn()
    added = fill(old, [more])
    again = migrate(url)
    assert (again["counts"]["inserted"], again["counts"]["seen"]) == (added, count + added)
    assert archive_db.import_files.find_one({"jobId": again["job"]})["state"] == "done"
    assert migrate(url)["counts"]["inserted"] == 0
    assert archive_db.source_files.count_documents({"size": {"$gt": 0}}) == len([n for n in old.list_collection_names() if n.startswith("messages")])
    check(archive_db)


@pytest.mark.usefixtures("_owner")
def test_a_dry_run_counts_and_changes_nothing_and_the_run_goes_on_from_it(archive_db, old, url):
    count = fill(old, conversations(3))
    told = migrate(url, "--dry-run")
    assert told["counts"]["inserted"] == count
    assert "here" not in told
    assert archive_db.messages_current.count_documents({}) == 0
    folder = find_migration(url, OLD)[0].done
    written = {path.name: path.stat().st_size for path in folder.rglob("*.jsonl")}
    assert sum(written.values()) > 0
    assert migrate(url)["counts"]["inserted"] == count
    assert not folder.exists(), "the room is given back"


@pytest.mark.usefixtures("_owner")
def test_a_line_that_was_cut_off_is_written_again(archive_db, old, url):
    count = fill(old, conversations(2))
    migrate(url, "--dry-run")
    file = next(find_migration(url, OLD)[0].done.rglob("messages.jsonl"))
    file.write_bytes(file.read_bytes()[:-10])
    told = migrate(url)
    assert (told["counts"]["inserted"], told["counts"]["rejected"]) == (count, 0)


@pytest.mark.usefixtures("_owner")
def test_ids_of_any_type_are_read_on(archive_db, old, url):
    fill(old, conversations(1, 1))
    document = {**documents_of(conversations(1, 2)[0].made[-1])[0], "uuid": "other"}
    old.messages.insert_one({**document, "_id": 5})
    with claudelens_source.opened(url, OLD) as source:
        ids = [each["message"]["_id"] for batch in source.messages("messages") for each in batch]
        rest = [each["message"]["_id"] for batch in source.messages("messages", ids[2]) for each in batch]
    assert ids[0] == 5
    assert rest == ids[3:]


def command(url: str) -> subprocess.Popen:
    arguments = [sys.executable, "manage.py", "migrate_claudelens", url, "--database", OLD, "--json"]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.Popen(arguments, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.django_db(transaction=True)
def test_killed_while_reading_and_while_importing_it_goes_on(archive_db, redis_server, old, url, django_user_model):
    django_user_model.objects.create_superuser("root", password="secret")
    count = fill(old, conversations(50, 58, "words " * 50))
    assert count > 20_000
    folder = find_migration(url, OLD)[0].folder

    process = command(url)
    until(lambda: any(path.stat().st_size > 1_000_000 for path in folder.rglob("*.jsonl")), 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held = sum(path.stat().st_size for path in folder.rglob("*.jsonl"))
    assert held > 1_000_000
    assert archive_db.messages_current.count_documents({}) == 0

    process = command(url)
    until(lambda: archive_db.messages_current.estimated_document_count() > 2_000, 120)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # What it had open is ended here, and not waited for as another job has to: the server lets go of it after 30 s.
    for each in archive_db.checkpoints.find():
        end_session(each.get("lsid"))

    process = command(url)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    told = json.loads(out.splitlines()[-1])
    assert told["counts"]["seen"] == count == archive_db.messages_current.count_documents({})
    assert archive_db.api_calls.count_documents({}) == 50 * 58 * 2
    assert "reading the database" in err
    check(archive_db)


# ------------------------------------------------------------------ the source


class Commands(monitoring.CommandListener):
    """The commands that were sent to the old database."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.preferences: set[str] = set()

    def started(self, event: Any) -> None:
        if event.database_name == OLD:
            self.names.add(event.command_name)
            self.preferences.add(event.command.get("$readPreference", {}).get("mode", "primary"))
        assert not {"$out", "$merge"} & {key for stage in event.command.get("pipeline", ()) for key in stage}

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


@pytest.mark.usefixtures("_owner")
def test_the_old_database_is_only_read(old, url, monkeypatch):
    fill(old, conversations(30, 5))
    heard = Commands()
    monkeypatch.setitem(claudelens_source.OPTIONS, "event_listeners", [heard])
    migrate(url, "--dry-run")
    migrate(url)
    assert heard.names == {"listCollections", "find", "getMore", "aggregate", "count"}
    assert "secondaryPreferred" in heard.preferences


@pytest.mark.usefixtures("_owner")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("http://ada:hunter2@host/x", "bad_url"),
        ("mongodb://ada:hun/ter2@host:1x/x", "bad_url"),
        ("mongodb://ada:hunter2@", "bad_url"),
        ("", "bad_url"),
    ],
)
def test_a_url_that_is_none_is_refused_without_being_repeated(given, code):
    refused = migrate(given, code=2)["error"]
    assert refused["code"] == code
    assert "ter2" not in json.dumps(refused)


@pytest.mark.usefixtures("_owner")
def test_a_database_that_is_not_its_own_is_refused(archive_db, old, url):
    assert migrate(url, code=2)["error"]["code"] == "no_classic_database"
    with pytest.raises(BadInput, match="archive of this program"), claudelens_source.opened(url, archive_db.name):
        pass
    old.sessions.insert_one({})
    old.create_collection("messages")
    assert migrate(url, code=2)["error"]["code"] == "nothing_to_import"
    assert not ImportJob.objects.exists()


@pytest.mark.usefixtures("_owner")
def test_the_password_stands_nowhere(old, url, monkeypatch):
    fill(old, conversations(1))
    secret = url.replace("mongodb://", "mongodb://ada:hunter2@", 1)
    refused = migrate(secret, code=2)
    assert refused["error"]["code"] == "no_access"
    assert "hunter2" not in json.dumps(refused)
    monkeypatch.setattr("sys.stdin", StringIO(f"{url}\n"))
    told = migrate("-")
    job = ImportJob.objects.get(pk=told["job"])
    kept = json.dumps([job.sources, job.parameters, job.snapshot(), list(job.log_lines().values_list("text", flat=True))])
    assert "mongodb://" not in kept
    assert OLD in kept
    assert "hunter2" not in repr(find_migration(url, OLD)[0])


@pytest.mark.usefixtures("_owner")
def test_a_server_that_does_not_answer_is_said_to_be_away(monkeypatch):
    monkeypatch.setitem(claudelens_source.OPTIONS, "serverSelectionTimeoutMS", 200)
    refused = migrate("mongodb://ada:hunter2@localhost:1/", code=75)
    assert "hunter2" not in json.dumps(refused)


@pytest.mark.usefixtures("_owner")
def test_one_command_reads_a_database_at_a_time(old, url):
    import fcntl

    fill(old, conversations(1))
    folder = find_migration(url, OLD)[0].folder
    Path(settings.CLAUDELENS_UPLOAD_DIR).mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert migrate(url, code=2)["error"]["code"] == "already_importing"


# ------------------------------------------------------------------ values and lines


def test_values_of_the_database_have_one_text_each():
    value = {
        "i": ObjectId("66b000000000000000000001"), "t": START, "d": Decimal128("1.50"), "b": b"\x00\xff", "f": float("inf"), "n": 2**62,
        "r": DBRef("c", 5), "x": Regex("a+"), "l": [True, None, 1.5, "☃"],
    }  # fmt: skip
    assert plain(value) == {
        "i": "66b000000000000000000001", "t": "2025-07-30T08:00:00.000Z", "d": "1.50", "b": "AP8=", "f": "inf", "n": 2**62,
        "r": {"$ref": "c", "$id": 5}, "x": str(Regex("a+")), "l": [True, None, 1.5, "☃"],
    }  # fmt: skip
    orjson.dumps(plain(value))


def told_of(line: dict[str, Any], place: int = 0) -> dict[str, Any]:
    return plain(documents_of(line)[place])


def test_a_line_is_put_together_as_it_was():
    for line in conversations(1, 1)[0].made:
        assert line_of(told_of(line)) == line


def test_results_that_stand_in_their_line_are_not_made_lines():
    line = conversations(1, 1)[0].made[4]
    line["message"]["content"].insert(0, {"type": "text", "text": "see"})
    whole, part = plain(documents_of(line))
    assert line_of(whole) == line
    assert line_of(part, whole=line["uuid"])["type"] == "tool_result"


def test_of_several_results_of_one_line_each_is_kept():
    line = conversations(1, 1)[0].made[4]
    line["message"]["content"].append({"type": "tool_result", "tool_use_id": "b", "content": "second"})
    first, second = (line_of(each) for each in plain(documents_of(line)))
    assert (first["uuid"], first["parentUuid"], first["type"]) == (line["uuid"], line["parentUuid"], "user")
    assert (second["uuid"], second["parentUuid"], second["type"]) == (f"{line['uuid']}_result_1", line["uuid"], "user")


def test_a_message_without_the_original_has_its_text():
    stored = {"type": "assistant", "content": "flat", "model": "m", "uuid": "u", "usage": {"input_tokens": 1}, "metadata": {"slug": "x", "_own": 1}}
    assert line_of(stored) == {
        "type": "assistant", "uuid": "u", "slug": "x",
        "message": {"role": "assistant", "content": "flat", "model": "m", "usage": {"input_tokens": 1}},
    }  # fmt: skip
    assert line_of({"type": "system", "content": "note"}) == {"type": "system", "content": "note"}
