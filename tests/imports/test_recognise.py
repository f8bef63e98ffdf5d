"""Knowing a file again by its name, its size and its beginning."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from archive import files
from imports.reading import hashes_at
from imports.recognise import recognise
from tests.imports.reading import MemoryEntry
from tests.imports.running import paths, run
from tests.samples.making import ONE, conversation, joined, session_file, write

PATH = session_file(ONE)
DATA = joined(conversation(ONE, 6))


def known(data: bytes, path: str = PATH):
    return recognise(MemoryEntry(data), path, "claude-code", "job")


@pytest.fixture
def held(archive_db, tmp_path):
    run(write(tmp_path, PATH, DATA))
    return archive_db


def test_a_new_file_is_made_known_at_once(archive_db):
    found = known(DATA)
    assert (found.is_same, found.is_whole, found.known_until, found.digest) == (False, False, 0, None)
    assert paths(archive_db) == [PATH]
    # An import that was killed before it wrote anything finds its file again.
    assert known(DATA).file.id == found.file.id


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
        "projects/-a/é$.jsonl",
    ],
)
def test_names_are_names_and_no_patterns(held, path):
    # Files of that name which hold something else already: numbered from 2 on.
    for number in (1, 2, 3):
        found = known(b"%d\n" % number * 9, path)
        held.source_files.update_one(
            {"_id": found.file.id},
            {"$set": {"heldSize": 1, "heldSha256": "other", "complete": True, "size": number}},
        )
    found_paths = sorted(each.path for each in files.files_at(path))
    stem, ending = path.removesuffix(".jsonl"), ".jsonl" if path.endswith(".jsonl") else ""
    assert found_paths == sorted([path, f"{stem}~2{ending}", f"{stem}~3{ending}"])


def test_of_many_who_make_the_same_file_known_one_does(archive_db):
    with ThreadPoolExecutor(8) as pool:
        found = {each.file.id for each in pool.map(lambda _: known(DATA), range(16))}
    assert len(found) == 1
    assert paths(archive_db) == [PATH]


def test_hashes_are_those_of_the_beginnings_that_the_file_has():
    found = hashes_at(MemoryEntry(DATA), {0, 5, len(DATA), len(DATA) + 1})
    assert {size: digest.hexdigest() for size, digest in found.items()} == {
        size: hashlib.sha256(DATA[:size]).hexdigest() for size in (0, 5, len(DATA))
    }
