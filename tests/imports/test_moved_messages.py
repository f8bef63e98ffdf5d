"""Imports into an archive whose messages lie sealed, or have left hot: known, told apart and undone all the same."""

from datetime import timedelta

import pytest

from archive import emptied, forecast, measuring, mover, object_store, partitions, recalling, rotation
from archive.entanglement import count_changes
from archive.indexes import ensure_indexes
from archive.move_plans import Ages, plan_moves
from archive.object_store import FolderStore
from archive.unit_of_work import Transactions
from imports.pipeline import Source
from tests.imports.running import run
from tests.imports.test_rollback import everything, undo
from tests.samples.making import ONE, TWO, conversation, joined, session_file, write

PATH, OTHER = session_file(ONE), session_file(TWO)
LINES = conversation(ONE, 40)
REDACTED = [line.replace(b"Question", b"REDACTED").replace(b"Answer", b"REDACTED") for line in LINES]
WAYS = ("sealed", "warm", "cold", "frozen", "sealed and cold")
RECALL = recalling.recall


class Places:
    """Messages away from ``messages_current``: sealed, or in a lower tier, or half of them so and half so."""

    def __init__(self, db):
        self.db = db
        self.recalled: list[int] = []

    def away(self, way: str) -> None:
        if way == "sealed":
            self.seal()
        elif way == "sealed and cold":
            late = list(self.db.messages_current.find().sort("_id", 1).limit(20))
            self.db.messages_current.delete_many({"_id": {"$in": [each["_id"] for each in late]}})
            self.leave("cold")
            self.db.messages_current.insert_many(late)
            self.seal()
        else:
            self.leave(way)

    def seal(self) -> None:
        number = self.db.events.count_documents({})
        assert [each.name for each in rotation.rotate(f"rotation{number}", 1)][-1]

    def leave(self, tier: str) -> None:
        """Move everything down to a tier."""
        last = self.db.messages_current.find_one(sort=[("timestamp", -1)])["timestamp"]
        ages = {"warm": Ages(7, 9000), "cold": Ages(7, 8), "frozen": Ages(7, 8, 9)}[tier]
        while plan := plan_moves([ages], last + timedelta(days=40)):
            assert list(mover.move(plan, f"mover{self.db.events.count_documents({})}", 1))
        held = sum(each.count for each in partitions.find_partitions() if each.tier == tier)
        assert (held > 0, self.db.messages_current.count_documents({})) == (True, 0)

    def recall(self, numbers, job_id: str = "", **more) -> int:
        self.recalled += numbers
        return RECALL(numbers, job_id, **more)

    def names(self) -> list[str]:
        return [each.name for each in partitions.find_partitions() if each.tier == "hot"]

    def home(self) -> None:
        """Everything in ``messages_current`` again, and nothing known of where it was."""
        RECALL([each["_id"] for each in self.db.tier_batches.find()])
        emptied.drop_empty_partitions()
        for name in self.names():
            if name != "messages_current":
                if documents := list(self.db[name].find()):
                    self.db.messages_current.insert_many(documents)
                self.db.drop_collection(name)
        self.db.partitions.delete_many({"_id": {"$ne": "messages_current"}})
        self.db.drop_collection("messages_timeseries")


@pytest.fixture
def db(archive_db):
    return archive_db


@pytest.fixture
def moved(db, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("frozen")
    object_store.configure(lambda: FolderStore(folder))
    made = Places(db)
    monkeypatch.setattr(recalling, "recall", made.recall)
    return made


def texts(db, *names: str) -> list[str]:
    return sorted(each["text"] for name in names for each in db[name].find({}, {"text": 1}))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_away_is_known_when_it_comes_again(db, tmp_path, moved, way):
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    moved.away(way)
    before = everything(db)
    assert db.messages_current.count_documents({}) == 0
    again = run(tmp_path, job="again")
    assert (again.inserted, again.duplicates) == (0, 40)
    longer = run(write(tmp_path, PATH, joined(conversation(ONE, 44))), job="longer")
    assert (longer.inserted, db.messages_current.count_documents({})) == (4, 4)
    undo("longer")
    # The counters and the log of events go on.
    after = everything(db)
    assert {name: after[name] for name in before if name.startswith(("message", "sess", "proj"))} == {
        name: before[name] for name in before if name.startswith(("message", "sess", "proj"))
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_same_records_in_another_file_are_copies(db, tmp_path, moved, way):
    twice = [*LINES, LINES[3], LINES[4]]
    run(write(tmp_path, PATH, joined(twice)), job="first")
    moved.away(way)
    copied = run(write(tmp_path, "projects/-elsewhere/copy.jsonl", joined(twice[::-1])), job="copy")
    assert (copied.inserted, copied.duplicates) == (0, 42)
    assert db.message_copies.count_documents({}) == 42
    assert db.message_copies.count_documents({"raw": {"$exists": True}}) == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("strategy", ["keep-both", "skip", "replace"])
def test_conflicts_end_as_if_nothing_had_moved(db, tmp_path, moved, way, strategy):
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    moved.away(way)
    result = run(write(tmp_path, OTHER, joined(REDACTED)), job="second", conflict=strategy)
    expected = {"keep-both": (40, 0, 0, 80), "skip": (0, 0, 40, 40), "replace": (0, 40, 0, 40)}[strategy]
    session = db.sessions.find_one()
    assert (result.inserted, result.updated, result.skipped, session["messageCount"]) == expected
    assert result.conflicts == 40
    assert bool(moved.recalled) == (way != "sealed" and strategy == "replace")
    for name in moved.names():
        if name != "messages_current":
            assert db.partitions.find_one({"_id": name})["count"] == db[name].count_documents({})
    moved.home()
    assert len(texts(db, "messages_current")) == expected[3]
    assert sum("REDACTED" in text for text in texts(db, "messages_current")) == (0 if strategy == "skip" else 40)


@pytest.mark.parametrize("way", WAYS)
def test_undone_it_leaves_the_archive_as_it_was(db, tmp_path, moved, way):
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    before = everything(db)
    run(write(tmp_path, OTHER, joined(conversation(TWO, 30))), job="second")
    moved.away(way)
    assert count_changes("second")["messages"] == 30
    undo("second")
    for name in moved.names():
        if name != "messages_current":
            found = db.partitions.find_one({"_id": name})
            measured = measuring.measured(name)
            assert (found["count"], found["bytes"]) == (measured.count, measured.bytes)
    moved.home()
    after = everything(db)
    assert [name for name in before if after[name] != before[name] and name != "partitions"] == []


@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_counts_what_is_away(db, tmp_path, moved, way):
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    moved.away(way)
    other = write(tmp_path, OTHER, joined([*LINES[:10], *REDACTED[10:15], *conversation(TWO, 5)]))
    dry = run(Source(str(other)), job="dry", dry_run=True)
    assert (dry.inserted, dry.duplicates, dry.conflicts) == (10, 10, 5)
    assert forecast.expect([]) == forecast.Expected()


def test_a_dry_run_in_the_middle_of_a_rotation_looks_again(db, tmp_path):
    """The names it has looked under are others now: what it read as empty was not."""
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    tries = []

    def work(unit):
        tries.append(unit.cards)
        if len(tries) == 1:
            list(rotation.rotate("rotation", 1))
        found = sum(unit[name].count_documents({}, session=unit.session) for name in unit.cards)
        unit.check_names()
        return found

    transactions = Transactions()
    assert transactions.run(work) == 40
    transactions.close()
    assert len(tries) > 1


def test_a_sealed_partition_is_asked_only_for_what_can_be_in_it(db, tmp_path, monkeypatch):
    from archive import copies

    run(write(tmp_path, PATH, joined(LINES)), job="first")
    list(rotation.rotate("rotation", 1))
    asked = []
    present = copies._present
    monkeypatch.setattr(
        copies, "_present", lambda unit, name, keys: asked.append((name, len(keys))) or present(unit, name, keys)
    )
    later = [line.replace(b'"timestamp":"20', b'"timestamp":"21') for line in conversation(TWO, 10)]
    assert run(write(tmp_path, OTHER, joined(later)), job="later").inserted == 10
    assert {name for name, _ in asked} == {"messages_current"}
    asked.clear()
    assert run(write(tmp_path, "projects/-b/c.jsonl", joined(LINES[::-1])), job="again").duplicates == 40
    assert (db.partitions.find_one({"state": "sealed"})["_id"], 40) in asked


def test_every_sealed_partition_gets_its_indexes(db, tmp_path):
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    list(rotation.rotate("rotation", 1))
    name = db.partitions.find_one({"state": "sealed"})["_id"]
    db[name].drop_indexes()
    ensure_indexes()
    assert set(db[name].index_information()) == set(db.messages_current.index_information())
