"""Exports and readers while another process rotates, moves messages between all tiers and recalls them, without
end: every message is there once, and every file has the very bytes that it has in an archive at rest."""

from __future__ import annotations

import io
import json
import random
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site

from archive import hydration, mover, reader, recalling, scanning
from archive.connection import configuration
from archive.filters import MessageFilter
from archive.move_plans import PlannedMove
from archive.object_store import configure
from archive.partitions import Tier
from exports import material, sharing
from exports.live.streams import open_stream, understand
from exports.models import Artifact, ExportJob
from exports.services import create_export, run_export
from maintenance.frozen_store import open_store
from tests.archive.mover_child import Given
from tests.exports import moving_child
from tests.exports.seed import FOLDER, answer, line, seed
from tests.waiting import until

# Each export writes its heartbeats from a thread of its own: it has to see what this one wrote.
pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

SESSIONS, LINES = 18, 120
BATCH_DOCS = 60
ODD = b'{"type":"summary","summary":"Pri \\u0109io","leafUuid":"x","n":1.50E+2}'


def use(session: str, number: int) -> bytes:
    """An assistant's line that calls a tool."""
    content = [{"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"command": f"ls {number}"}}]
    message = {"id": f"msg_t{session[:8]}{number}", "role": "assistant", "model": "claude-opus-4-20250514", "content": content}
    return line(session, number, type="assistant", message=message, timestamp=when(number))


def when(number: int) -> str:
    """A time in one of five months."""
    return f"2025-{number % 5 + 1:02}-{number % 27 + 1:02}T{number % 24:02}:00:00.123Z"


def conversation(session: str) -> list[bytes]:
    """Lines of every kind that moves differently: of five months, without a time, with exact bytes kept."""
    made = []
    for number in range(LINES):
        if number % 20 == 7:
            made.append(use(session, number))
        elif number % 20 == 11:
            made.append(answer(session, number))
        elif number == 50:
            made.append(ODD.replace(b'"x"', f'"{session}"'.encode()))
        else:
            made.append(line(session, number, timestamp=when(number)))
    return made


def tree() -> dict[str, bytes]:
    """Transcripts, every other one with CRLF and without a last newline, some with a line that is no JSON."""
    found = {}
    for number in range(SESSIONS):
        session = f"{number:08}-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
        lines = conversation(session)
        if number % 3 == 0:
            lines.insert(30, b"{not json")
        found[f"{FOLDER}-{number % 2}/{session}.jsonl"] = b"\r\n".join(lines) if number % 2 else b"\n".join([*lines, b""])
    return found


# ------------------------------------------------------------------ what is exported


def content_of(artifact: Artifact) -> Any:
    """What an export holds: its bytes, and of a zip those of each file."""
    data = artifact.path.read_bytes()
    if not artifact.filename.endswith(".zip"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {name: found.read(name) for name in found.namelist()}


@dataclass(frozen=True)
class Case:
    """An export that is asked for; ``processes`` make it."""

    format: str
    asked: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)
    processes: int = 1


CASES = (
    Case("jsonl"),
    Case("claude-code"),
    Case("json"),
    Case("jsonl", {"text": "RESPONDO"}),
    Case("csv"),
    Case("jsonl", {"tool": "Bash"}),
    Case("jsonl", processes=2),
    Case("json", processes=2),
    Case("jsonl", {}, {"split": "month"}),
    Case("claude-code", {"tool": "Bash", "since": "2025-02-01"}),
    Case("markdown"),
    Case("html"),
)


@dataclass
class Archive:
    """An archive that another process makes a mess of."""

    owner: Any
    folder: Path
    settings: Any
    ids: set[str]
    token: int = 0

    def export(self, case: Case) -> tuple[list[Any], dict[str, int]]:
        """What the files of an export hold, and its counts."""
        self.settings.CLAUDELENS_EXPORT_PROCESSES = case.processes
        job = create_export(self.owner, format=case.format, asked=case.asked, choices=case.choices)
        run_export(job)
        job = ExportJob.objects.get(pk=job.pk)
        assert job.state == "completed", (case, job.state, job.error, job.traceback, [each.text for each in job.log_lines()])
        artifacts = list(Artifact.objects.filter(job=job).order_by("storage_name"))
        told = {name: sum(getattr(each, name) for each in artifacts) for name in ("messages", "sessions")}
        assert told["messages"] == job.counts["messages"]
        return [content_of(each) for each in artifacts], job.counts

    def stream(self) -> bytes:
        """A live export of everything."""
        stream = open_stream(self.owner, understand({"format": ["jsonl"]}))
        try:
            return b"".join(iter(stream.pull, b""))
        finally:
            stream.close()

    def start(self) -> Any:
        self.token += 1
        told = configuration()
        given = Given(told.url, told.name, str(self.folder), self.token, batch_docs=BATCH_DOCS)
        return moving_child.start(given)

    def kill(self, process: Any) -> None:
        assert process.exitcode is None, [each.read_text() for each in self.folder.glob("died-*")]
        process.kill()
        process.join()

    @contextmanager
    def in_motion(self) -> Iterator[Any]:
        process = self.start()
        try:
            yield process
        finally:
            self.kill(process)


@pytest.fixture
def archive(
    archive_db: Any, people: Any, artifacts_dir: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Archive]:
    seed(people.alice, tmp_path, tree())
    folder = Path(site.CLAUDELENS_FROZEN_DIR)
    folder.mkdir(exist_ok=True)
    configure(open_store)  # as the site does it
    # Small steps, so that every export meets many moments and many batches.
    monkeypatch.setattr(material, "BATCH_SIZE", 40)
    monkeypatch.setattr(hydration, "AT_ONCE", 40)
    monkeypatch.setattr(scanning, "AT_ONCE", 40)
    monkeypatch.setattr(scanning, "MOMENT_SECONDS", 0.4)
    monkeypatch.setattr(sharing, "WORTH_MESSAGES", 10)
    ids = {bytes(each["_id"]).hex() for each in archive_db.messages_current.find({}, {"_id": 1})}
    yield Archive(people.alice, folder, settings, ids)
    batches = [int(each["_id"]) for each in archive_db.tier_batches.find({}, {"_id": 1})]
    assert batches or not archive_db.message_keys.count_documents({})


def ids_in(data: bytes) -> list[str]:
    return [json.loads(each)["id"] for each in data.splitlines()]


# ------------------------------------------------------------------ who reads meanwhile


FILTERS = (
    MessageFilter(types=("assistant",)),
    MessageFilter(text="respondo"),
    MessageFilter(tools=("Bash",)),
    MessageFilter(branches=("main",)),
)


@dataclass
class Reader:
    """Reads as the pages of conversations do, and compares with what it read while all was at rest."""

    keys: list[bytes]
    seed: int = 1
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.sessions = sorted({each["sessionId"] for each in reader.scan_messages(MessageFilter())})
        self.questions: list[Callable[[], Any]] = [
            *(lambda session=each: self.pages(session) for each in self.sessions[:4]),  # type: ignore[misc]
            *(lambda asked=each: reader.count_messages(asked) for each in FILTERS),  # type: ignore[misc]
            *(lambda start=each: reader.find_by_ids(self.keys[start::13]) for each in range(3)),  # type: ignore[misc]
            lambda: self.places(self.sessions[5]),
            lambda: [each["_id"] for each in reader.page_messages(MessageFilter(), limit=90).items],
            lambda: sorted(each["_id"] for each in reader.scan_messages(MessageFilter(), order="time")),
        ]
        self.expected = [each() for each in self.questions]

    def pages(self, session: str) -> list[Any]:
        """All pages of a conversation, forth and back again."""
        found, cursor = [], None
        while True:
            page = reader.page_messages(MessageFilter(), session_id=session, cursor=cursor, limit=25)
            found.append(page.items)
            if (cursor := page.next) is None:
                break
        while page.previous is not None:
            page = reader.page_messages(MessageFilter(), session_id=session, cursor=page.previous, limit=25)
            found.append(page.items)
        return found

    def places(self, session: str) -> list[Any]:
        """The numbers of some messages, and those messages by their numbers."""
        keys = [reader.message_at(session, number) for number in (0, 17, 63, LINES - 1, LINES)]
        return [(each, reader.count_before({"sessionId": session, **each}) if each else None) for each in keys]

    def _read(self) -> None:
        chance = random.Random(self.seed)
        while not self._stop.is_set():
            number = chance.randrange(len(self.questions))
            found = self.questions[number]()
            if found != self.expected[number]:
                self.wrong.append(f"question {number}: {str(found)[:300]}")
            self.looks += 1

    def _work(self) -> None:
        try:
            self._read()
        except BaseException as error:
            self.wrong.append(repr(error))
            raise

    @contextmanager
    def at_work(self) -> Iterator[Reader]:
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(60)


@pytest.fixture
def pages(archive: Archive, archive_db: Any) -> Reader:
    return Reader(sorted(bytes.fromhex(each) for each in archive.ids))


def happened(db: Any) -> Counter[str]:
    """How often messages were moved and rotated, and from where to where."""
    events = db.events.find({"kind": {"$in": ["messages.moved", "messages.rotated"]}}, {"kind": 1})
    return Counter(each["kind"] for each in events) + Counter(moves=places_taken(db))


def places_taken(db: Any) -> int:
    """How often batches have moved on below hot, by the checkpoint of the mover."""
    held = db.checkpoints.find_one({"_id": "mover"}, {"batch": 1}) or {}
    return int(held.get("batch", 0))


def bring_home(archive: Archive, db: Any) -> None:
    """Recall everything: hot holds each message once, and nothing is anywhere else."""
    archive.token += 1
    list(mover.move([], "mover", archive.token))
    recalling.recall([int(each["_id"]) for each in db.tier_batches.find({}, {"_id": 1})])
    hot = [each["_id"] for each in db.partitions.find({"tier": "hot"})]
    found = Counter(bytes(each["_id"]).hex() for name in hot for each in db[name].find({}, {"_id": 1}))
    assert (set(found), max(found.values())) == (archive.ids, 1)
    assert db.message_keys.count_documents({}) == 0


# ------------------------------------------------------------------ the tests


def test_every_export_is_what_it_is_at_rest_while_everything_moves(archive: Archive, pages: Reader, archive_db: Any) -> None:
    rest = [archive.export(case) for case in CASES]
    assert sorted(ids_in(rest[0][0][0])) == sorted(archive.ids)
    assert rest[1][0][0] == tree()
    moved_during = []
    with archive.in_motion(), pages.at_work():
        until(lambda: happened(archive_db)["messages.rotated"] > 1, 30)
        for case, expected in zip(CASES, rest, strict=True):
            before = happened(archive_db)
            found = archive.export(case)
            moved_during.append((happened(archive_db) - before).total())
            assert found[1] == expected[1], case
            assert found[0] == expected[0], case
        assert Counter(ids_in(archive.stream())) == Counter(archive.ids)
    assert pages.wrong == []
    assert pages.looks > 30
    assert sum(each > 0 for each in moved_during) >= len(CASES) - 2, moved_during
    assert happened(archive_db)["messages.rotated"] >= 4
    assert places_taken(archive_db) > 100
    bring_home(archive, archive_db)


def test_a_mover_is_killed_five_times_during_an_export(archive: Archive, pages: Reader, archive_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("jsonl")
    rest = archive.export(case)
    read = scanning.Scan.run
    chance, killed = random.Random(5), []
    process = [archive.start()]

    def run(scan: Any) -> Any:
        """Each message of the export; now and then the mover is killed, and another begins where it ended."""
        for number, message in enumerate(read(scan)):
            if threading.current_thread() is threading.main_thread() and number % 400 == 399:
                before = places_taken(archive_db)
                until(lambda: places_taken(archive_db) > before, 60)
                process[0].join(chance.random() * 0.3)
                archive.kill(process[0])
                killed.append(places_taken(archive_db))
                process[0] = archive.start()
            yield message

    with pages.at_work():
        try:
            with monkeypatch.context() as patch:
                patch.setattr(scanning.Scan, "run", run)
                found = archive.export(case)
        finally:
            archive.kill(process[0])
    assert found == rest
    assert Counter(ids_in(found[0][0])) == Counter(archive.ids)
    assert len(killed) >= 5
    assert pages.wrong == []
    bring_home(archive, archive_db)


@pytest.mark.parametrize("name", ["jsonl", "json"])
def test_several_processes_find_frozen_messages(archive: Archive, archive_db: Any, name: str) -> None:
    rest = archive.export(Case(name))
    list(mover.move([PlannedMove("messages_current", Tier.FROZEN)], "mover", 1))
    assert archive_db.messages_current.count_documents({}) == 0
    assert archive.export(Case(name, processes=3)) == rest
