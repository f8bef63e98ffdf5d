"""The same session and uuid with other content: whatever becomes of it, every byte comes back."""

import pytest

from archive.conflicts import STRATEGIES, ConflictFound
from tests.emptying import empty
from tests.imports.running import bytes_of, check, difference, given_back, picture, run
from tests.samples.making import (
    ONE,
    TWO,
    assistant,
    conversation,
    corpus,
    dump,
    joined,
    session_file,
    usage,
    user,
    write,
)

PATH = session_file(ONE)
OTHER = session_file(TWO)
LINES = conversation(ONE, 6)
# The same session and uuids, other words, as a redacted copy has them.
REDACTED = [line.replace(b"Question", b"REDACTED").replace(b"Answer", b"REDACTED") for line in LINES]


@pytest.fixture
def db(archive_db):
    yield archive_db
    check(archive_db)


def texts(db, session: str = ONE) -> list[str]:
    return sorted(each["text"] for each in db.messages_current.find({"sessionId": session}))


def import_both(tmp_path, strategy: str, **options):
    run(write(tmp_path, PATH, joined(LINES)), job="first", **options)
    return run(write(tmp_path, OTHER, joined(REDACTED)), job="second", conflict=strategy, **options)


def test_both_are_kept_unless_somebody_says_otherwise(db, tmp_path):
    result = import_both(tmp_path, "keep-both")
    assert (result.inserted, result.updated, result.skipped, result.conflicts) == (6, 0, 0, 6)
    assert db.sessions.find_one()["messageCount"] == 12
    assert db.message_versions.count_documents({}) == 0


def test_the_new_one_is_set_aside(db, tmp_path):
    result = import_both(tmp_path, "skip")
    assert (result.inserted, result.updated, result.skipped, result.conflicts) == (0, 0, 6, 6)
    assert texts(db) == sorted(f"{word} {n}" for n, word in enumerate(["Question", "Answer"] * 3))
    assert db.sessions.find_one()["messageCount"] == 6
    assert given_back(db) == {PATH: joined(LINES), OTHER: joined(REDACTED)}
    versions = list(db.message_versions.find())
    assert {each["setAside"]["jobId"] for each in versions} == {"second"}
    held = {each["_id"] for each in db.messages_current.find()}
    assert {each["setAside"]["winnerId"] for each in versions} == held


def test_the_old_one_is_set_aside(db, tmp_path):
    result = import_both(tmp_path, "replace")
    assert (result.inserted, result.updated, result.skipped, result.conflicts) == (0, 6, 0, 6)
    assert texts(db) == sorted(f"REDACTED {n}" for n in range(6))
    session = db.sessions.find_one()
    assert (session["messageCount"], session["promptCount"]) == (6, 3)
    assert given_back(db) == {PATH: joined(LINES), OTHER: joined(REDACTED)}


def test_a_message_that_was_set_aside_comes_back_as_it_was_stored(db, tmp_path):
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    before = {each["_id"]: each for each in db.messages_current.find()}
    run(write(tmp_path, OTHER, joined(REDACTED)), job="second", conflict="replace")
    for version in db.message_versions.find():
        version.pop("setAside")
        assert version == before[version["_id"]]


def test_a_conflict_may_end_the_import_and_names_its_place(db, tmp_path):
    lines = [dump(user(ONE, 90)), *REDACTED]
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    place = write(tmp_path, OTHER, joined(lines))
    with pytest.raises(ConflictFound) as caught:
        run(place, job="second", conflict="fail", batch_docs=1)
    assert caught.value.code == "conflict_found"
    assert f"{TWO}.jsonl, line 2" in caught.value.message
    assert "uuid" not in caught.value.hint
    assert db.messages_current.count_documents({}) == 7  # what came before the conflict stays
    assert db.message_versions.count_documents({}) == 0


@pytest.mark.parametrize("strategy", ["keep-both", "skip", "replace"])
def test_importing_both_again_changes_nothing(db, tmp_path, strategy):
    import_both(tmp_path, strategy)
    before = picture(db)
    for number, path in enumerate((PATH, OTHER, PATH)):
        again = run(tmp_path / path, job=f"again {number}", conflict=strategy)
        assert (again.seen, again.duplicates) == (6, 6)
    # Nor does a file that holds the same records under another name.
    moved = write(tmp_path, "projects/-elsewhere/part.jsonl", joined(REDACTED[:3]))
    again = run(moved, job="moved", conflict=strategy)
    assert (again.seen, again.duplicates, again.counts.get("conflicts")) == (3, 3, None)
    assert bytes_of(db, "projects/-elsewhere/part.jsonl") == joined(REDACTED[:3])
    after = picture(db)
    assert (after["messages"], after["versions"]) == (before["messages"], before["versions"])


@pytest.mark.parametrize("batch_docs", [1, 2, 100])
@pytest.mark.parametrize(
    ("strategy", "kept", "figures"),
    [
        ("keep-both", ["again", "first", "second", "second"], (4, 0, 0, 3)),
        ("skip", ["first"], (1, 0, 3, 3)),
        ("replace", ["again"], (1, 2, 0, 2)),
    ],
)
def test_within_one_file_the_earlier_line_came_first(db, tmp_path, batch_docs, strategy, kept, figures):
    said = ["first", "second", "second", "again"]
    lines = [dump(user(ONE, 0, content=each)) for each in said]
    result = run(write(tmp_path, PATH, joined(lines)), conflict=strategy, batch_docs=batch_docs)
    if strategy == "replace":
        # The second "second" is the same record once more, and no conflict with itself.
        assert (result.inserted, result.updated, result.conflicts) == (2, 2, 2)
    else:
        assert (result.inserted, result.updated, result.skipped, result.conflicts) == figures
    assert texts(db) == kept
    assert bytes_of(db, PATH) == joined(lines)


@pytest.mark.parametrize("batch_docs", [1, 3, 100])
def test_the_very_same_record_many_times_is_no_conflict(db, tmp_path, batch_docs):
    lines = [LINES[0]] * 5
    result = run(write(tmp_path, PATH, joined(lines)), conflict="fail", batch_docs=batch_docs)
    assert (result.inserted, result.counts.get("conflicts")) == (5, None)


def test_all_that_were_kept_under_one_name_give_way(db, tmp_path):
    import_both(tmp_path, "keep-both")
    third = [line.replace(b"REDACTED", b"NEWEST") for line in REDACTED]
    result = run(write(tmp_path, session_file(TWO, "-x"), joined(third)), job="third", conflict="replace")
    assert (result.updated, result.conflicts) == (6, 6)
    assert texts(db) == sorted(f"NEWEST {n}" for n in range(6))
    assert db.message_versions.count_documents({}) == 12


def test_lines_without_a_uuid_are_never_in_conflict(db, tmp_path):
    lines = [
        dump({"type": "summary", "summary": f"S{n}", "leafUuid": "x", "sessionId": ONE}) for n in range(3)
    ]
    result = run(write(tmp_path, PATH, joined([LINES[0], *lines])), conflict="fail")
    assert result.inserted == 4


@pytest.mark.parametrize("strategy", ["keep-both", "skip", "replace"])
def test_what_an_answer_cost_does_not_depend_on_the_version_that_is_kept(db, tmp_path, strategy):
    one = dump(assistant(ONE, 1, id="msg_a", tokens=usage(output_tokens=10)))
    two = dump(assistant(ONE, 1, id="msg_b", tokens=usage(output_tokens=20)))
    run(write(tmp_path, PATH, joined([one])), job="first")
    run(write(tmp_path, OTHER, joined([two])), job="second", conflict=strategy)
    session = db.sessions.find_one()
    assert (session["callCount"], session["outputTokens"]) == (2, 30)


@pytest.mark.parametrize("strategy", ["skip", "replace"])
def test_copies_of_what_was_set_aside_come_back(db, tmp_path, strategy):
    run(write(tmp_path, PATH, joined(LINES)), job="first")
    copied = write(tmp_path, "projects/-copied/x.jsonl", joined([*LINES, dump(user(ONE, 50))]))
    run(copied, job="copy")
    run(write(tmp_path, OTHER, joined(REDACTED)), job="second", conflict=strategy)
    spaced = joined([line.replace(b'"sessionId":', b'"sessionId": ') for line in LINES + REDACTED])
    run(write(tmp_path, "projects/-copied/y.jsonl", spaced), job="spaced", conflict=strategy)
    assert bytes_of(db, "projects/-copied/x.jsonl") == copied.read_bytes()
    assert bytes_of(db, "projects/-copied/y.jsonl") == spaced


@pytest.mark.parametrize("strategy", ["skip", "replace"])
def test_stopped_anywhere_conflicts_are_settled_the_same(archive_db, tmp_path, strategy):
    corpus(tmp_path / "a", 300, seed=5)
    for place in sorted((tmp_path / "a").rglob("*.jsonl")):
        path = place.relative_to(tmp_path / "a")
        write(tmp_path / "b", str(path), place.read_bytes().replace(b"word word", b"other"))
    run(tmp_path / "a", job="first")
    whole = run(tmp_path / "b", job="job", conflict=strategy, batch_docs=20)
    assert whole.conflicts > 50
    check(archive_db)
    expected = picture(archive_db)
    empty(archive_db)
    run(tmp_path / "a", job="first")
    for token in range(1, 200):
        result = run(tmp_path / "b", job="job", token=token, stop_after=1, conflict=strategy, batch_docs=20)
        if result.last.phase == "done":
            break
    assert result.counts == whole.counts
    assert difference(expected, picture(archive_db)) == ""
    check(archive_db)


def test_the_strategies_are_those_that_the_tests_know():
    assert set(STRATEGIES) == {"keep-both", "skip", "replace", "fail"}
