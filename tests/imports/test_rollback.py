"""Undoing an import: the whole database as it was before, byte for byte, or the reasons why not."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest

from archive.checkpoints import Fenced, take
from archive.entanglement import NoPreImages, RollbackConflict, check_can_undo, count_changes
from archive.errors import Conflict
from archive.undo import MAX_DOCS, is_begun, undo_import
from tests.imports.running import bytes_of, check, given_back, run
from tests.samples.making import (
    ONE,
    SLUG,
    TWO,
    assistant,
    conversation,
    corpus,
    dump,
    joined,
    session_file,
    user,
    write,
)

NOT_THE_ARCHIVE = {"events", "counters", "checkpoints", "import_files", "import_undo"}
PATH = session_file(ONE)
LINES = conversation(ONE, 10)


@pytest.fixture
def db(archive_db):
    yield archive_db
    check(archive_db)
    assert archive_db.counters.count_documents({"rollingBack": {"$exists": True}}) == 0


def everything(db) -> dict[str, dict[bytes, bytes]]:
    """Every document of the archive but its journals: each as the bytes of its fields by name."""
    names = [each for each in db.list_collection_names() if each not in NOT_THE_ARCHIVE]
    return {name: {_key(each): _bytes(each) for each in db[name].find()} for name in names}


def _key(document) -> bytes:
    return bson.encode({"": document["_id"]})


def _bytes(document) -> bytes:
    # The order of a project's fields, and of theirs, is MongoDB's own affair.
    def in_order(value):
        return {key: in_order(value[key]) for key in sorted(value)} if isinstance(value, dict) else value

    return bson.encode(document if "record" in document else in_order(document))


def digest(found: dict[str, dict[bytes, bytes]]) -> dict[str, str]:
    return {
        name: hashlib.sha256(b"".join(key + documents[key] for key in sorted(documents))).hexdigest()
        for name, documents in found.items()
    }


def undo(job: str, token: int = 100, stop_after: int = 0) -> list[Any]:
    """Undo the import to its end, or until so many transactions were written."""
    steps = undo_import(job, token)
    seen = []
    for step in steps:
        seen.append(step)
        if stop_after and len(seen) >= stop_after:
            steps.close()
            break
    return seen


def expect_same(db, before) -> None:
    after = everything(db)
    for name, documents in before.items():
        changed = [key for key in {*documents, *after[name]} if documents.get(key) != after[name].get(key)]
        told = [
            [bson.decode(each[key]) if key in each else None for each in (documents, after[name])]
            for key in changed[:2]
        ]
        assert not changed, (name, len(changed), told)
    assert digest(after) == digest(before)


# ------------------------------------------------------------------ what is undone


def test_an_import_into_an_empty_archive_leaves_nothing_behind(db, tmp_path):
    before = everything(db)
    run(write(tmp_path, PATH, joined(LINES) + b"{bad\n"), job="job")
    undo("job")
    expect_same(db, before)
    assert {each["undone"] for each in db.import_files.find({"jobId": "job"})} == {True}
    last = db.events.find_one(sort=[("position", -1)])
    assert (last["kind"], last["jobId"], last["deleted"], last["restored"]) == (
        "import.rolled_back",
        "job",
        10,
        0,
    )
    assert db.import_undo.count_documents({}) == 0


def test_the_same_files_can_be_imported_again_and_are_new(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES))
    run(place, job="job")
    undo("job")
    again = run(place, job="again")
    assert (again.inserted, again.duplicates) == (10, 0)
    assert bytes_of(db, PATH) == joined(LINES)


def test_an_import_that_was_undone_does_not_go_on(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES))
    run(place, job="job", batch_docs=2, stop_after=2)
    undo("job")
    with pytest.raises(Conflict) as caught:
        run(place, job="job", token=200)
    assert caught.value.code == "rolled_back"
    assert undo("job", token=300) == []


def test_an_import_that_never_began_is_undone_at_once(db):
    undo("never")
    assert db.messages_current.count_documents({}) == 0


def earlier_imports(folder: Path) -> None:
    """An archive in which there is much to share: conversations, answers, projects, files that will grow."""
    corpus(folder / "old", 400, seed=3)
    run(folder / "old", job="old")
    write(folder / "grow", PATH, joined(LINES[:4]) + b"{cut")
    write(
        folder / "grow",
        "projects/-by-slug/a.jsonl",
        joined([dump({"type": "custom-title", "customTitle": "x"})]),
    )
    run(folder / "grow", job="grow")
    redacted = joined([line.replace(b"Answer", b"REDACTED") for line in LINES[:4]])
    write(folder / "twin", session_file(TWO), redacted)
    run(folder / "twin", job="twin", conflict="skip")


def later_import(folder: Path) -> Path:
    """One that touches all of it: grown files, copies, answers of others, conflicts, rejected records."""
    new = folder / "new"
    for number, place in enumerate(sorted((folder / "old").rglob("*.jsonl"))):
        path, data = str(place.relative_to(folder / "old")), place.read_bytes()
        if number % 3 == 0:
            write(
                new, path, data.rstrip(b"\n") + b"\n" + joined(conversation(ONE, 6, start=100 + number * 10))
            )
        elif number % 3 == 1:
            write(new, f"elsewhere/{path}", data)
        else:
            write(new, path, data.replace(b"word word", b"other"))
    grown = LINES[:4] + [b'{cut":1}', *LINES[4:], b"{still bad"]
    write(new, PATH, joined(grown))
    inside = dump(user(ONE, 200, cwd="/by/slug", sessionId="slugged"))
    write(new, "projects/-by-slug/b.jsonl", joined([inside]))
    shared = [dump(assistant(TWO, n, id=f"msg_{ONE[:4]}_{n}")) for n in (1, 3)]
    write(new, "projects/-shared/answers.jsonl", joined([*shared, *shared]))
    corpus(new / "more", 200, seed=4)
    return new


@pytest.mark.parametrize("strategy", ["keep-both", "skip", "replace"])
def test_the_database_is_as_it_was_before(db, tmp_path, strategy):
    earlier_imports(tmp_path)
    new = later_import(tmp_path)
    before, files = everything(db), given_back(db)
    result = run(new, job="job", conflict=strategy, batch_docs=50)
    assert result.inserted > 200
    assert result.rejected
    assert result.conflicts
    check(db)
    changed = everything(db)
    for name in ("sessions", "api_calls", "source_files", "projects", "message_copies", "rejected_records"):
        assert changed[name] != before[name], name
    undo("job")
    expect_same(db, before)
    assert given_back(db) == files


@pytest.mark.parametrize("seed", range(20))
def test_stopped_at_random_and_killed_twice_it_is_as_it_was_before(archive_db, tmp_path, seed):
    chance = random.Random(seed)
    earlier_imports(tmp_path)
    new = later_import(tmp_path)
    before = everything(archive_db)
    strategy = chance.choice(["keep-both", "skip", "replace"])
    options = {"conflict": strategy, "batch_docs": chance.choice((10, 30, 80))}
    for token in range(1, 1 + chance.choice((1, 2))):  # be it of one process or of two
        run(new, job="job", token=token, stop_after=chance.randint(1, 12), **options)
    assert everything(archive_db) != before
    for token in (50, 51):
        undo("job", token, stop_after=chance.randint(1, 25))
    undo("job", 52)
    expect_same(archive_db, before)
    check(archive_db)


def test_several_imports_are_undone_from_the_newest_to_the_oldest(db, tmp_path):
    pictures = [everything(db)]
    place = write(tmp_path, PATH, b"")
    for number in range(4):
        place.write_bytes(joined(LINES[: 2 + 2 * number]))
        run(place, job=f"job {number}")
        pictures.append(everything(db))
    for number in (3, 2, 1, 0):
        pictures.pop()
        undo(f"job {number}")
        expect_same(db, pictures[-1])


def test_imports_that_share_nothing_but_a_project_are_undone_in_any_order(db, tmp_path):
    empty = everything(db)
    first = write(tmp_path, PATH, joined(LINES))
    second = write(tmp_path, session_file(TWO), joined(conversation(TWO, 5)))
    run(first, job="first")
    run(second, job="second")
    project = db.projects.find_one()
    assert (project["stats"]["sessions"], project["stats"]["messages"]) == (2, 15)
    undo("first")
    check(db)
    project = db.projects.find_one()
    assert (project["stats"]["sessions"], project["stats"]["messages"]) == (1, 5)
    undo("second")
    expect_same(db, empty)


def test_a_project_gets_its_bare_name_back_in_any_order(db, tmp_path):
    empty = everything(db)
    bare = [{"type": "custom-title", "customTitle": "T", "sessionId": each} for each in ("a", "b")]
    run(write(tmp_path, f"projects/{SLUG}/a.jsonl", joined([dump(bare[0])])), job="bare")
    assert db.projects.find_one()["path"] == SLUG
    run(write(tmp_path, PATH, joined(LINES)), job="named")
    run(write(tmp_path, f"projects/{SLUG}/b.jsonl", joined([dump(bare[1])])), job="after")
    assert db.projects.find_one()["path"] == "/home/ada/shop"
    undo("bare")
    assert db.projects.find_one()["path"] == "/home/ada/shop"
    undo("named")
    assert db.projects.find_one()["path"] == SLUG
    undo("after")
    expect_same(db, empty)


def test_more_than_one_transaction_s_documents(db, tmp_path):
    before = everything(db)
    lines = conversation(ONE, MAX_DOCS * 2 + 7)
    run(write(tmp_path, PATH, joined(lines)), job="job")
    steps = undo("job")
    assert len(steps) > 6
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] >= len(lines)
    expect_same(db, before)


# ------------------------------------------------------------------ what cannot be undone


def refused(job: str, db) -> RollbackConflict:
    before = everything(db)
    with pytest.raises(RollbackConflict) as caught:
        undo(job)
    expect_same(db, before)
    assert db.import_undo.count_documents({"jobId": {"$ne": job}}) > 0
    return caught.value


def grown(tmp_path) -> None:
    write(tmp_path, PATH, joined(LINES))


def copied(tmp_path) -> None:
    (tmp_path / PATH).unlink()
    write(tmp_path, "projects/-other/x.jsonl", joined(LINES[:3]))


def found_elsewhere(tmp_path) -> None:
    (tmp_path / PATH).rename(write(tmp_path, "projects/-other/y.jsonl", b""))


def same_conversation(tmp_path) -> None:
    (tmp_path / PATH).unlink()
    write(tmp_path, "projects/-other/z.jsonl", joined([dump(user(ONE, 99))]))


def same_answer(tmp_path) -> None:
    (tmp_path / PATH).unlink()
    write(tmp_path, session_file(TWO), joined([dump(assistant(TWO, 1, id=f"msg_{ONE[:4]}_1"))]))


@pytest.mark.parametrize("strategy", ["keep-both", "skip", "replace"])
@pytest.mark.parametrize(
    ("built_on", "kind"),
    [
        (grown, "conversation"),
        (copied, "conversation"),
        (found_elsewhere, "file"),
        (same_conversation, "conversation"),
        (same_answer, "API response"),
    ],
)
def test_what_a_later_import_built_on_stays_and_is_listed(db, tmp_path, built_on: Callable, kind, strategy):
    before = everything(db)
    run(write(tmp_path, PATH, joined(LINES[:6])), job="first")
    built_on(tmp_path)
    run(tmp_path, job="second", conflict=strategy)
    conflict = refused("first", db)
    assert conflict.code == "rollback_conflict"
    assert kind in {each.kind for each in conflict.shown}
    assert {each.job_id for each in conflict.shown} == {"second"}
    assert "second" in conflict.hint
    undo("second")
    check_can_undo("first")
    undo("first")
    expect_same(db, before)


def test_of_many_the_first_twenty_are_listed(db, tmp_path):
    for number in range(30):
        write(tmp_path, session_file(f"s{number}"), joined(conversation(f"s{number}", 2)))
    run(tmp_path, job="first")
    for number in range(30):
        write(tmp_path, session_file(f"s{number}"), joined(conversation(f"s{number}", 4)))
    run(tmp_path, job="second")
    conflict = refused("first", db)
    assert (conflict.count, len(conflict.shown)) == (60, 20)
    assert "and 40 more" in conflict.message


def test_two_imports_that_took_turns_hold_each_other(db, tmp_path):
    def part(number: int) -> Path:
        return write(
            tmp_path / str(number), f"projects/-p/{number}.jsonl", joined(lines[number * 2 : number * 2 + 2])
        )

    lines = conversation(ONE, 20)
    mine = [part(number) for number in range(3)]
    run(*mine, job="one", batch_docs=2, stop_after=1)
    run(part(3), job="two")
    run(*mine, job="one", token=2, batch_docs=2)
    assert {each.job_id for each in refused("one", db).shown} == {"two"}
    assert {each.job_id for each in refused("two", db).shown} == {"one"}


def test_the_same_bytes_read_again_by_another_import_hold_nothing(db, tmp_path):
    before = everything(db)
    place = write(tmp_path, PATH, joined(LINES))
    run(place, job="first")
    run(place, job="again")
    undo("first")
    expect_same(db, before)


def test_an_import_of_an_older_version_says_that_it_cannot_be_undone(db, tmp_path):
    run(write(tmp_path, PATH, joined(LINES)), job="old")
    db.checkpoints.update_one({"_id": "old"}, {"$unset": {"keepsPreImages": ""}})
    with pytest.raises(NoPreImages):
        undo("old")
    assert db.messages_current.count_documents({}) == 10


def test_what_would_be_undone_is_counted_and_nothing_is_changed(db, tmp_path):
    run(write(tmp_path, PATH, joined(LINES[:4])), job="first")
    write(tmp_path, PATH, joined(LINES))
    run(tmp_path / PATH, job="second")
    before = everything(db)
    told = count_changes("second")
    assert (told["messages"], told["files"], told["conversations"]) == (6, 1, 1)
    assert told["changedBefore"] == {"session": 1, "file": 1}
    expect_same(db, before)


# ------------------------------------------------------------------ others at work


def test_while_an_import_is_undone_others_wait_and_then_go_on(db, tmp_path):
    run(write(tmp_path, PATH, joined(LINES)), job="job")
    undo("job", 50, stop_after=1)
    assert is_begun("job")
    waited = []
    other = write(tmp_path, session_file(TWO), joined(conversation(TWO, 5)))
    from imports.pipeline import ImportOptions, Source, import_batches

    steps = import_batches(
        [Source(str(other))],
        job_id="other",
        token=1,
        options=ImportOptions(),
        log=lambda _, text: waited.append(text),
    )
    first = next(steps)
    second = next(steps)
    assert [first.counts["inserted"], second.counts["inserted"]] == [0, 0]
    assert db.messages_current.count_documents({"sessionId": TWO}) == 0
    undo("job", 51)
    *_, last = steps
    assert last.counts["inserted"] == 5
    assert [text for text in waited if "rolled back" in text] == ["Waiting: import job is being rolled back."]
    assert not is_begun("job")


def test_one_roll_back_waits_for_another(db, tmp_path):
    run(write(tmp_path, PATH, joined(LINES)), job="one")
    run(write(tmp_path, session_file(TWO), joined(conversation(TWO, 5))), job="two")
    undo("one", 50, stop_after=1)
    steps = undo_import("two", 50)
    assert next(steps).waits_for == "one"
    undo("one", 51)
    list(steps)
    assert db.messages_current.count_documents({}) == 0


def test_who_was_taken_over_undoes_nothing_more(db, tmp_path):
    run(write(tmp_path, PATH, joined(LINES)), job="job")
    old = undo_import("job", 50)
    next(old)
    new = take("job", 51)
    left = db.messages_current.count_documents({})
    with pytest.raises(Fenced):
        list(old)
    assert db.messages_current.count_documents({}) == left
    new.close()
    undo("job", 52)


def test_a_file_that_was_known_and_is_undone_meanwhile_is_looked_at_again(db, tmp_path):
    """Its bytes were recognised before the roll back, and are written after it."""
    place = write(tmp_path, PATH, joined(LINES))
    run(place, job="first")
    undo("first", 50, stop_after=1)
    others = write(tmp_path, "projects/-other/copy.jsonl", joined(LINES))
    import threading

    results = []
    thread = threading.Thread(target=lambda: results.append(run(others, job="second")))
    thread.start()
    from tests.waiting import until

    until(lambda: db.checkpoints.count_documents({"_id": "second"}), 10)
    undo("first", 51)
    thread.join()
    assert bytes_of(db, "projects/-other/copy.jsonl") == joined(LINES)
    assert results[0].counts["inserted"] == 10
