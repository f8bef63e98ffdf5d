"""Files are looked at many at a time, and each is still what it is in its turn."""

import tarfile
from pathlib import Path

import pytest
from pymongo.monitoring import CommandListener

from archive import connection
from imports import lookout
from imports.pipeline import ImportOptions, Source, import_batches
from tests import run as test_run
from tests.imports.running import bytes_of, paths, run
from tests.samples.making import conversation, joined, session_file, write

FILES = 130
RECORDS = FILES * (FILES + 1) // 2


class Asked(CommandListener):
    """Counts the questions to the collection of files."""

    def __init__(self):
        self.number = 0

    def started(self, event):
        reads = event.command_name in ("find", "distinct", "aggregate")
        self.number += reads and event.command.get(event.command_name) == "source_files"

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


@pytest.fixture
def asked(archive_db, servers):
    asked = Asked()
    connection.configure(servers.mongodb_url, test_run.DATABASE, event_listeners=[asked])
    yield asked
    connection.configure(servers.mongodb_url, test_run.DATABASE)


def session(number: int) -> str:
    return f"{number:08}-1111-4111-8111-111111111111"


def tree(folder: Path, count: int, lines: int = 3) -> dict[str, bytes]:
    given = {session_file(session(number)): joined(conversation(session(number), lines)) for number in range(count)}
    for path, data in given.items():
        write(folder, path, data)
    return given


@pytest.mark.parametrize("own_process", [0, 1 << 30])
def test_many_small_files_cost_few_questions_the_first_time_and_again(asked, tmp_path, own_process):
    for number in range(FILES):  # each of another size: those of one size have to be told apart one by one
        write(tmp_path, session_file(session(number)), joined(conversation(session(number), number + 1)))
    first = run(tmp_path, own_process=own_process)
    assert (first.inserted, first.duplicates) == (RECORDS, 0)
    batches = len(first.steps)
    assert asked.number <= 2 * batches + 2 * (FILES / lookout.FILES_AT_ONCE + 1)
    asked.number = 0
    again = run(tmp_path, job="again", own_process=own_process)
    assert (again.inserted, again.duplicates) == (0, RECORDS)
    assert asked.number < 10


@pytest.mark.parametrize("batch_docs", [2, 10, 1000])
def test_the_same_bytes_twice_among_files_that_are_looked_at_together_are_a_copy(archive_db, tmp_path, batch_docs):
    """Whether the first of them is committed by then or not."""
    data = joined(conversation(session(1), 6))
    names = ["projects/-a/1.jsonl", "projects/-a/2.jsonl", "projects/-b/3.jsonl"]
    for name in names:
        write(tmp_path, name, data)
    done = run(tmp_path, batch_docs=batch_docs)
    assert (done.inserted, done.duplicates) == (6, 12)
    assert paths(archive_db) == [names[0]]
    assert [copy["path"] for copy in archive_db.source_files.find_one()["copies"]] == names[1:]
    assert not any("looked at again" in line for line in done.log)


def test_a_name_that_comes_twice_among_them_is_numbered(archive_db, tmp_path):
    one, other = (joined(conversation(session(number), 3)) for number in (1, 2))
    for folder, data in (("a", one), ("b", other)):
        write(tmp_path / folder, "projects/-x/s.jsonl", data)
    done = run(tmp_path / "a", tmp_path / "b", batch_docs=2)
    assert done.inserted == 6
    assert paths(archive_db) == ["projects/-x/s.jsonl", "projects/-x/s~2.jsonl"]
    assert [bytes_of(archive_db, path) for path in paths(archive_db)] == [one, other]


def test_a_file_that_is_no_transcript_is_told_in_its_turn_and_costs_the_others_nothing(archive_db, tmp_path):
    given = tree(tmp_path, 5)
    write(tmp_path, "projects/-a/0.jsonl", b"")
    write(tmp_path, session_file(session(2)) + "x.jsonl", b"not json\n")
    done = run(tmp_path)
    assert (done.inserted, done.last.refused_files) == (15, 2)
    assert {path: bytes_of(archive_db, path) for path in paths(archive_db)} == given


def test_files_of_a_container_are_looked_at_within_it(archive_db, tmp_path, monkeypatch):
    """Another one would be unpacked before its turn, and again in it."""
    for number in range(6):
        tree(tmp_path / f"tree-{number}", 2)
        with tarfile.open(tmp_path / f"{number}.tar.gz", "w:gz") as packed:
            packed.add(tmp_path / f"tree-{number}", arcname=f"{number}")
    unpacked = []
    real = lookout.detect
    monkeypatch.setattr(lookout, "detect", lambda entry, choice: unpacked.append(entry.source) or real(entry, choice))
    sources = [tmp_path / f"{number}.tar.gz" for number in range(6)]
    looks = []
    monkeypatch.setattr(lookout, "look_up", lambda wanted, real=lookout.look_up: looks.append(len(wanted)) or real(wanted))
    assert run(*sources).inserted + run(*sources, job="again").duplicates > 0
    assert looks == [2] * 12
    assert unpacked == [str(source) for source in sources for _ in range(2)] * 2


def test_a_file_that_grows_after_it_was_looked_at_is_taken_as_it_is(archive_db, tmp_path):
    """Between the look and its turn other files are read."""
    given = tree(tmp_path, 3)
    last = max(given)
    steps = import_batches_of(tmp_path)
    next(steps)  # the first file's batch; all three were looked at
    more = joined(conversation(session(2), 2, start=3))
    write(tmp_path, last, given[last] + more)
    *_, end = steps
    assert end.counts["inserted"] == 3 * 3 + 2
    assert bytes_of(archive_db, last) == given[last] + more


def import_batches_of(folder: Path):
    return import_batches(
        [Source(str(folder))], job_id="job", token=1, options=ImportOptions(batch_docs=3), log=lambda *_: None
    )
