"""Imports whose process, or whose database, is killed at any moment: nothing lost, nothing doubled. The same
for undoing one.

Whatever was killed, the archive must end up equal to that of an import nobody disturbed: messages, counts,
conversations, projects, calls, events, and the bytes of every file.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from archive import connection, reader, replica_set, sessions
from archive.indexes import ensure_indexes
from archive.unit_of_work import end_session
from claudelens_site import binaries, embedded
from tests import run as test_run
from tests.imports.import_child import FENCED
from tests.imports.running import check, difference, picture, run
from tests.imports.test_rollback import everything, expect_same
from tests.samples.making import corpus, write
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 50_000
FEWER = 8_000
OPTIONS = {"batch_docs": 200, "max_record": 100_000}
# Where MongoDB is killed much is written until it is killed the next time.
SMALL_BATCH = 20
JOB = "killed"

pytestmark = [
    pytest.mark.timeout(600),
]


@dataclass
class Archive:
    """A database of this test's own, on one server or another."""

    url: str
    name: str
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        assert self.name.startswith("test_")
        self.client = MongoClient(
            self.url, serverSelectionTimeoutMS=500, connectTimeoutMS=500, socketTimeoutMS=2000
        )

    @contextmanager
    def used(self) -> Iterator[Any]:
        """This process's archive is this one, for the time being."""
        now = connection._connection
        before = (now.url, now.name, now.options)
        connection.configure(self.url, self.name)
        try:
            yield connection.database()
        finally:
            connection.configure(before[0], before[1], **before[2])

    def prepare(self) -> None:
        with self.used() as db:
            db.client.drop_database(self.name)
            ensure_indexes()

    def batch(self) -> int:
        """The number of batches the job has written; -1 while the server is away."""
        try:
            found = self.client[self.name].checkpoints.find_one({"_id": JOB}, {"batch": 1})
        except PyMongoError:
            return -1
        return found["batch"] if found else 0

    def drop(self) -> None:
        with self.used() as db:
            # A killed holder's transaction would keep its locks for a minute.
            end_session((db.checkpoints.find_one({"_id": JOB}) or {}).get("lsid"))
            db.client.drop_database(self.name)
        self.client.close()


@dataclass
class Child:
    """An import in a process of its own."""

    archive: Archive
    folder: Path
    token: int
    own_process: int = 16 * 1024 * 1024
    undo: bool = False
    batch_docs: int = OPTIONS["batch_docs"]

    def __post_init__(self) -> None:
        given = {
            "url": self.archive.url,
            "database": self.archive.name,
            "paths": [str(self.folder)],
            "job": JOB,
            "token": self.token,
            "undo": self.undo,
            "options": OPTIONS | {"own_process": self.own_process, "batch_docs": self.batch_docs},
        }
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.imports.import_child", json.dumps(given)]
        # A file: nobody reads it meanwhile, and a child that has filled a pipe waits for good.
        self.output = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.output, stderr=subprocess.STDOUT)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def send(self, sent: signal.Signals) -> None:
        self.process.send_signal(sent)

    def write_until(self, goal: int, timeout: float) -> None:
        """Wait until it has written so many batches, or has ended. Where it is stuck, it tells in which line."""
        try:
            until(lambda: not self.is_running() or self.archive.batch() >= goal, timeout, step=0.01)
        except AssertionError as stuck:
            self.send(signal.SIGABRT)
            output = self.told(30)
            raise AssertionError(f"{stuck}; batch {self.archive.batch()} of {goal}\n{output[-6000:]}") from stuck

    def end(self, timeout: float = 120) -> int:
        output = self.told(timeout)
        assert "Traceback" not in output, output[-3000:]
        return self.process.returncode

    def told(self, timeout: float) -> str:
        """All that it has printed, once it has ended."""
        self.process.wait(timeout)
        self.output.seek(0)
        return self.output.read()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("claude")
    corpus(made, MESSAGES, seed=11)
    return made


def undisturbed(archive: Archive, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """The counts and the picture of an import that nobody disturbed."""
    archive.prepare()
    with archive.used() as db:
        result = run(folder, job=JOB, **OPTIONS)
        check(db)
        found = picture(db)
    assert result.counts["seen"] > FEWER
    return result.counts, found


@pytest.fixture(scope="module")
def expected(servers, folder):
    archive = Archive(servers.mongodb_url, f"{test_run.DATABASE}_undisturbed")
    yield undisturbed(archive, folder)
    archive.drop()


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("small")
    corpus(made, FEWER, seed=12)
    return made


@pytest.fixture(scope="module")
def small_expected(servers, small_folder):
    archive = Archive(servers.mongodb_url, f"{test_run.DATABASE}_undisturbed_small")
    yield undisturbed(archive, small_folder)
    archive.drop()


def expect_equal(archive: Archive, expected: tuple[dict[str, int], dict[str, Any]]) -> None:
    counts, undisturbed_picture = expected
    with archive.used() as db:
        assert db.checkpoints.find_one({"_id": JOB})["counts"] == counts
        assert difference(undisturbed_picture, picture(db)) == ""
        check(db)
        stored = db.messages_current.count_documents({})
        assert reader.count_messages(reader.MessageFilter()) == stored
        assert sessions.totals()["messages"] == stored


def kill_at(child: Child, archive: Archive, batches: int, delay: float) -> bool:
    """Kill the import some time after it has written so many more batches; False if it ended before."""
    goal = archive.batch() + batches
    child.write_until(goal, 60)
    time.sleep(delay)  # the moment itself is what the test draws by lot
    child.process.kill()
    child.process.wait()
    return child.process.returncode == -signal.SIGKILL


def kill_workers(archive: Archive, folder: Path, kills: int, seed: int) -> int:
    """Import, killed so many times; returns the last token."""
    chance = random.Random(seed)
    for token in range(1, kills + 1):
        child = Child(archive, folder, token, own_process=chance.choice((0, 1 << 40)))
        if not kill_at(child, archive, chance.choice((0, 1, 1, 2, 3)), chance.random() * 0.06):
            return token
    return kills


def workers_killed(servers, folder, expected, kills: int, seed: int) -> None:
    archive = Archive(servers.mongodb_url, f"{test_run.DATABASE}_kills")
    archive.prepare()
    last = kill_workers(archive, folder, kills, seed)
    assert last == kills, "it ended before it was killed so often"
    assert Child(archive, folder, last + 1).end() == 0
    expect_equal(archive, expected)
    archive.drop()


def test_an_import_whose_process_is_killed_again_and_again(servers, folder, expected):
    assert expected[0]["seen"] >= MESSAGES
    workers_killed(servers, folder, expected, kills=50, seed=1)


@pytest.mark.slow
def test_an_import_whose_process_is_killed_a_hundred_times(servers, folder, expected):
    for seed in range(4):
        workers_killed(servers, folder, expected, kills=25, seed=100 + seed)


def test_no_reader_outlives_its_import(servers, small_folder):
    archive = Archive(servers.mongodb_url, f"{test_run.DATABASE}_readers")
    archive.prepare()
    child = Child(archive, small_folder, 1, own_process=0)
    until(lambda: archive.batch() >= 2, 60)
    readers = children_of(child.process.pid)
    assert readers
    child.process.kill()
    child.process.wait()
    until(
        lambda: (
            not any(
                Path(f"/proc/{pid}/cmdline").exists()
                and b"reader_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
                for pid in readers
            )
        ),
        10,
    )
    archive.drop()


def children_of(pid: int) -> list[int]:
    return [
        int(each)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for each in (task / "children").read_text().split()
    ]


# ------------------------------------------------------------------ taken over


def test_a_holder_that_wakes_up_after_its_job_was_taken_over_writes_nothing(
    servers, small_folder, small_expected
):
    archive = Archive(servers.mongodb_url, f"{test_run.DATABASE}_fenced")
    archive.prepare()
    old = Child(archive, small_folder, 1)
    until(lambda: archive.batch() >= 3, 60, step=0.002)
    old.send(signal.SIGSTOP)  # perhaps in the middle of a transaction, which holds locks
    started = time.monotonic()
    assert Child(archive, small_folder, 2).end() == 0
    assert time.monotonic() - started < 60
    with archive.used() as db:
        before = [db[name].count_documents({}) for name in ("events", "messages_current")]
    old.send(signal.SIGCONT)
    assert old.end() == FENCED
    with archive.used() as db:
        assert [db[name].count_documents({}) for name in ("events", "messages_current")] == before
    expect_equal(archive, small_expected)
    archive.drop()


def test_a_job_that_is_delivered_twice_is_done_once(servers, small_folder, small_expected):
    archive = Archive(servers.mongodb_url, f"{test_run.DATABASE}_twice")
    archive.prepare()
    first = Child(archive, small_folder, 1)
    until(lambda: archive.batch() >= 2, 60)
    second, third = Child(archive, small_folder, 2), Child(archive, small_folder, 3)
    ends = sorted(child.end() for child in (first, second, third))
    assert ends == [0, FENCED, FENCED]
    expect_equal(archive, small_expected)
    archive.drop()


# ------------------------------------------------------------------ the server killed


class OwnMongod:
    """A server of this test's own, which can be killed and started again on its port."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        (data_dir / "mongodb").mkdir(parents=True)
        self.port = embedded.free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = binaries.command_line("mongodb", self.data_dir, self.port)
        log = (self.data_dir / "server.log").open("ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, 60, step=0.1)
        replica_set.initiate(self.port, timeout_seconds=60)

    def _answers(self) -> bool:
        try:
            with MongoClient(
                f"mongodb://127.0.0.1:{self.port}/?directConnection=true", serverSelectionTimeoutMS=300
            ) as client:
                return bool(client.admin.command("ping"))
        except PyMongoError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def own_mongod(servers, tmp_path, monkeypatch) -> Iterator[OwnMongod]:
    monkeypatch.setenv("CLAUDELENS_MONGOD_CACHE_GB", "0.25")
    server = OwnMongod(tmp_path / "own")
    server.start()
    yield server
    server.kill()


def servers_killed(server: OwnMongod, folder: Path, expected: Any, kills: int, seed: int) -> None:
    archive = Archive(server.url, "test_mongod_kills")
    archive.prepare()
    chance = random.Random(seed)
    child = Child(archive, folder, 1, batch_docs=SMALL_BATCH)
    for number in range(kills):
        goal = archive.batch() + chance.choice((1, 1, 2))
        # It goes on by itself within 90 seconds: what is promised.
        child.write_until(goal, 90)
        time.sleep(chance.random() * 0.05)  # the moment itself is what the test draws by lot
        assert child.is_running(), f"it ended after {number} kills"
        server.kill()
        server.start()
    assert child.end() == 0
    expect_equal(archive, expected)
    archive.client.close()


def test_an_import_whose_database_is_killed_goes_on_by_itself(own_mongod, small_folder, small_expected):
    servers_killed(own_mongod, small_folder, small_expected, kills=10, seed=1)


@pytest.mark.slow
def test_an_import_whose_database_is_killed_twenty_times(own_mongod, folder, expected):
    servers_killed(own_mongod, folder, expected, kills=20, seed=2)


def test_process_and_database_both_killed(own_mongod, small_folder, small_expected):
    archive = Archive(own_mongod.url, "test_both_killed")
    archive.prepare()
    child = Child(archive, small_folder, 1)
    until(lambda: archive.batch() >= 4, 60, step=0.002)
    own_mongod.kill()
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait()
    again = Child(archive, small_folder, 2)
    own_mongod.start()
    assert again.end() == 0
    expect_equal(archive, small_expected)
    archive.client.close()


# ------------------------------------------------------------------ undoing killed


@pytest.fixture(scope="module")
def beginnings(small_folder, tmp_path_factory) -> Path:
    """The same files as they were when they were half as long."""
    made = tmp_path_factory.mktemp("beginnings")
    for place in small_folder.rglob("*.jsonl"):
        lines = place.read_bytes().splitlines(keepends=True)
        write(made, str(place.relative_to(small_folder)), b"".join(lines[: len(lines) // 2 + 1]))
    return made


def undone_under_fire(archive: Archive, beginnings: Path, folder: Path, kill: Callable[[int], Child]) -> None:
    """Import, and undo with everything killed that ``kill`` kills; the whole database is as it was before."""
    archive.prepare()
    with archive.used() as db:
        run(beginnings, job="before", **OPTIONS)
        before = everything(db)
        assert run(folder, job=JOB, **OPTIONS).inserted > FEWER / 4
        assert everything(db) != before
    assert kill(100).end() == 0
    with archive.used() as db:
        expect_same(db, before)
        check(db)


def test_undoing_whose_process_is_killed_again_and_again(servers, beginnings, small_folder):
    archive = Archive(servers.mongodb_url, f"{test_run.DATABASE}_undo")
    chance = random.Random(1)

    def kill(token: int) -> Child:
        for number in range(10):
            child = Child(archive, small_folder, token + number, undo=True, batch_docs=SMALL_BATCH)
            assert kill_at(child, archive, chance.choice((0, 1, 2)), chance.random() * 0.03)
        return Child(archive, small_folder, token + 10, undo=True)

    undone_under_fire(archive, beginnings, small_folder, kill)
    archive.drop()


def test_undoing_whose_database_is_killed_goes_on_by_itself(own_mongod, beginnings, small_folder):
    archive = Archive(own_mongod.url, "test_undo_mongod_kills")

    def kill(token: int) -> Child:
        child = Child(archive, small_folder, token, undo=True, batch_docs=SMALL_BATCH)
        for number in range(3):
            goal = archive.batch() + 2
            child.write_until(goal, 60)
            assert child.is_running(), f"it ended after {number} kills"
            own_mongod.kill()
            own_mongod.start()
        return child

    undone_under_fire(archive, beginnings, small_folder, kill)
    archive.client.close()
