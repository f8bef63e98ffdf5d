"""Knowing a file again by its name, its size and its beginning."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson.objectid import ObjectId

from archive import files
from archive.files import SourceFile
from imports.reading import hashes_at
from imports.recognise import look_up, recognise
from tests.imports.reading import MemoryEntry
from tests.imports.running import paths, run
from tests.samples.making import ONE, conversation, joined, session_file, write

PATH = session_file(ONE)
DATA = joined(conversation(ONE, 6))


def known(data: bytes, path: str = PATH, pending=(), since=()):
    entry = MemoryEntry(data)
    (held,) = look_up([(entry, path)])
    return recognise(entry, "claude-code", held.after(pending).after(since))


@pytest.fixture
def held(archive_db, tmp_path):
    run(write(tmp_path, PATH, DATA))
    return archive_db


def test_a_new_file_is_not_held_before_some_of_it_is(archive_db):
    found = known(DATA)
    assert (found.is_same, found.is_whole, found.known_until, found.digest) == (False, False, 0, None)
    assert (found.file.path, found.file.is_new) == (PATH, True)
    assert paths(archive_db) == []


def test_the_same_bytes_are_known_under_any_name(held):
    for path in (PATH, "projects/-x/other.jsonl", "history.jsonl"):
        found = known(DATA, path)
        assert (found.file.path, found.is_whole) == (PATH, True)


def test_a_longer_file_of_its_name_that_begins_alike_has_grown(held):
    found = known(DATA + b"{}\n")
    assert (found.is_same, found.known_until) == (False, len(DATA))
    assert found.digest.hexdigest() == hashlib.sha256(DATA).hexdigest()
    # Of another name it is another file, whatever it begins with.
    assert known(DATA + b"{}\n", "projects/-x/y.jsonl").known_until == 0


@pytest.mark.parametrize("data", [DATA[:-50], b"x" + DATA[1:], DATA[:100] + b"x" + DATA[101:] + b"{}\n"])
def test_any_other_file_of_its_name_is_numbered(held, data):
    assert known(data).file.path == PATH.replace(".jsonl", "~2.jsonl")
    assert known(data).file.path == PATH.replace(".jsonl", "~2.jsonl")


@pytest.mark.parametrize(
    "path",
    [
        "projects/-a/(x).[y]*.jsonl",
        "projects/-a/no ending",
        "history.jsonl",
        "projects/-a.b/c",
        "projects/-a/ends with a dot.",
        "projects/-a/é$.jsonl",
    ],
)
def test_names_are_names_and_no_patterns(held, path):
    # Files of that name which hold something else already: numbered from 2 on.
    for number in (1, 2, 3):
        new = known(b"%d\n" % number * 9, path).file
        other = {"heldSize": 1, "heldSha256": "other", "complete": True, "size": number}
        held.source_files.insert_one({"_id": new.id, "path": new.path, "source": new.source, **other})
    found_paths = sorted(each.path for each in files.files_at([path])[path])
    stem, ending = path.removesuffix(".jsonl"), ".jsonl" if path.endswith(".jsonl") else ""
    assert found_paths == sorted([path, f"{stem}~2{ending}", f"{stem}~3{ending}"])


def on_its_way(data: bytes, path: str = PATH, *, complete: bool = True) -> SourceFile:
    digest = hashlib.sha256(data).hexdigest()
    sizes = {"size": len(data), "held_size": len(data), "sha256": digest, "held_sha256": digest}
    return SourceFile(ObjectId(), path, complete=complete, records=6, cursor={"offset": len(data)}, **sizes)


@pytest.mark.parametrize("when", ["pending", "since"])
def test_what_is_on_its_way_counts_as_held(archive_db, when):
    whole, other = on_its_way(DATA), on_its_way(b"{}\n")
    assert known(DATA, "projects/-x/copy.jsonl", **{when: [whole]}).file.id == whole.id
    assert known(DATA + b"{}\n", **{when: [whole]}).known_until == len(DATA)
    assert known(DATA, **{when: [other]}).file.path == PATH.replace(".jsonl", "~2.jsonl")
    begun = on_its_way(DATA[:100], complete=False)
    assert known(DATA, **{when: [begun]}).file.id == begun.id


def test_of_many_who_bring_the_same_new_file_one_makes_it(archive_db, tmp_path):
    source = write(tmp_path, PATH, DATA)
    with ThreadPoolExecutor(4) as pool:
        counts = [each.counts for each in pool.map(lambda job: run(source, job=job), "abcd")]
    assert paths(archive_db) == [PATH]
    assert sum(each["inserted"] for each in counts) == 6
    assert sum(each["duplicates"] for each in counts) == 18


def test_hashes_are_those_of_the_beginnings_that_the_file_has():
    found = hashes_at(MemoryEntry(DATA), {0, 5, len(DATA), len(DATA) + 1})
    assert {size: digest.hexdigest() for size, digest in found.items()} == {
        size: hashlib.sha256(DATA[:size]).hexdigest() for size in (0, 5, len(DATA))
    }
