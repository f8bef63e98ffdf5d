"""A record that the database itself refuses is one record's fault, not its batch's."""

import pytest

from archive import rejected
from archive.batch import Batch
from archive.bulk import BulkWriter
from archive.checkpoints import take
from archive.collections import MESSAGES, SPECS
from archive.indexes import ensure_indexes
from archive.invariants import check_import
from imports.pipeline import Source
from tests.imports.running import bytes_of, check, file_at, run
from tests.samples.making import ONE, conversation, dump, joined, session_file, user, write

PATH = session_file(ONE)
LINES = conversation(ONE, 20)
BAD = [dump(user(ONE, 100 + number, content="forbidden words")) for number in range(3)]
MIXED = [*LINES[:5], BAD[0], *LINES[5:7], BAD[1], BAD[2], *LINES[7:]]


@pytest.fixture
def db(archive_db):
    """The archive, with one more rule about its messages."""
    (spec,) = (each for each in SPECS if each.name == MESSAGES)
    rule = {"text": {"$not": {"$regex": "forbidden"}}}
    archive_db.command("collMod", MESSAGES, validator={"$and": [spec.validator, rule]})
    yield archive_db
    ensure_indexes()
    check(archive_db)


@pytest.mark.parametrize("batch_docs", [1, 4, 1000])
def test_it_is_rejected_with_its_bytes_and_the_rest_is_stored(db, tmp_path, batch_docs):
    result = run(write(tmp_path, PATH, joined(MIXED)), batch_docs=batch_docs)
    assert (result.seen, result.inserted, result.rejected) == (23, 20, 3)
    assert bytes_of(db, PATH) == joined(MIXED)
    file = file_at(db, PATH)
    assert (file.records, file.rejected) == (20, 3)
    check_import("job")
    told = rejected.page_rejected("job").items
    assert [each["line"] for each in told] == [6, 9, 10]
    assert {each["code"] for each in told} == {"refused_by_database"}
    assert all("code 121" in each["reason"] for each in told)
    assert [text for text in result.log if "MongoDB refused" in text][0].endswith("(code 121)")


@pytest.mark.parametrize("batch_docs", [1, 4, 8])
def test_stopped_anywhere_the_figures_are_the_same(db, tmp_path, batch_docs):
    place = write(tmp_path, PATH, joined(MIXED))
    for token in range(1, 100):
        result = run(place, token=token, stop_after=1, batch_docs=batch_docs)
        if result.last.phase == "done":
            break
    assert (result.seen, result.inserted, result.rejected) == (23, 20, 3)
    assert (file_at(db, PATH).records, file_at(db, PATH).rejected) == (20, 3)
    check_import("job")


def test_once_the_rule_is_gone_the_next_import_takes_it(db, tmp_path):
    place = write(tmp_path, PATH, joined(MIXED))
    run(place)
    ensure_indexes()
    again = run(place, job="again")
    assert (again.inserted, again.duplicates, again.rejected) == (3, 20, 0)
    assert bytes_of(db, PATH) == joined(MIXED)
    assert (file_at(db, PATH).records, file_at(db, PATH).rejected) == (23, 0)
    check_import("again")


def test_the_writer_reports_index_code_and_words_of_each(db, tmp_path):
    captured = []
    commit = BulkWriter.commit

    def capture(self, batch: Batch):
        result = commit(self, batch)
        captured.extend(result.refused)
        return result

    patch = pytest.MonkeyPatch()
    patch.setattr(BulkWriter, "commit", capture)
    try:
        run(Source(str(write(tmp_path, PATH, joined(MIXED)))))
    finally:
        patch.undo()
    assert [(each.index, each.code) for each in captured] == [(5, 121), (8, 121), (9, 121)]
    assert all("validation" in each.message for each in captured)


def test_a_batch_without_anything_is_written_all_the_same(db):
    checkpoint = take("empty", 1)
    result = BulkWriter(checkpoint).commit(Batch(position={"at": 1}))
    assert (result.refused, result.waits_for, result.counts["seen"]) == ((), "", 0)
    checkpoint.close()
