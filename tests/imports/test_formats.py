"""What every source format promises, shown by its sample.

A format's sample is the folder ``tests/samples/formats/<name>``: files by hand, of invented people, and an
``expected.json`` that was counted by hand. ``records`` is how many records the files hold, ``rejected`` those
of them that cannot be read, ``messages`` and ``sessions`` what stands in the archive afterwards; ``titles``
are those of all sessions that have one, ``models`` all models, ``texts`` some that must be found.
``mapping`` says which column is what, where the format asks for that; ``by_path`` that it is the file's place
in its tree that tells the format; ``sources`` where the messages say they come from, if not from the format.
"""

import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest

from archive.files import SourceFile
from archive.records import NOT_KEPT, Rejected
from imports.formats import FORMATS, Choice, detect, sample_of
from imports.messages import Context
from imports.open_files import OpenFile
from imports.pipeline import Source
from imports.readers import document, side_files, window
from imports.readers.lines import Cursor
from imports.readers.sources import Entry, list_entries
from tests.imports.reading import FILE_ID, MAX_RECORD, MemoryEntry, given_back, items, read, seen
from tests.imports.running import check_events, check_files, check_projects, run

SAMPLES = Path(__file__).resolve().parents[1] / "samples/formats"
EXPECTED = "expected.json"
NAMES = ("conversations.json", "1.jsonl", "export.csv", "notes.md", "no-ending", "data.bin")
MOST_CUTS = 150
SMALL, LARGE, LONGEST = 250_000, 750_000, 20_000


def files_of(name: str) -> list[Path]:
    return sorted(each for each in (SAMPLES / name).rglob("*") if each.is_file() and each.name != EXPECTED)


def expected_of(name: str) -> dict[str, Any]:
    return orjson.loads((SAMPLES / name / EXPECTED).read_bytes())


ALL = [
    pytest.param(name, path, id=f"{name}/{path.relative_to(SAMPLES / name)}")
    for name in FORMATS
    for path in files_of(name)
]
by_format = pytest.mark.parametrize("name", FORMATS)
by_file = pytest.mark.parametrize(("name", "path"), ALL)
by_content = pytest.mark.parametrize(
    ("name", "path"), [each for each in ALL if not expected_of(each.values[0]).get("by_path")]
)
# A file that is no original is not kept: its messages are.
by_kept_file = pytest.mark.parametrize(
    ("name", "path"), [each for each in ALL if FORMATS[each.values[0]].layout != NOT_KEPT]
)


def in_tree(name: str, path: Path) -> Entry:
    """The file as the import of its whole sample lists it."""
    entries = list_entries(str(SAMPLES / name)).entries
    return next(each for each in entries if Path(each.source) == path)


def in_memory(name: str, path: Path, data: bytes | None = None) -> MemoryEntry:
    entry = in_tree(name, path)
    return MemoryEntry(path.read_bytes() if data is None else data, entry.name, entry.inside, entry.tree_path)


def opened(name: str, path: Path, data: bytes | None = None) -> OpenFile:
    """The sample at its start, or other bytes that are read as it would be."""
    found = detect(in_memory(name, path), Choice("", expected_of(name).get("mapping", {})))
    entry = in_memory(name, path, data)
    context = found.format.start(found.sample, found.match)
    made = OpenFile(entry, SourceFile(FILE_ID, entry.name), Cursor(), context)
    made.format, made.facts = found.format.name, found.match.facts
    return made


@pytest.fixture
def given(tmp_path):
    """A sample's files in a folder of their own."""

    def copied(name: str) -> Path:
        folder = tmp_path / "given"
        shutil.copytree(SAMPLES / name, folder)
        (folder / EXPECTED).unlink()
        return folder

    return copied


def taken_in(name: str, folder: Path, job: str = "job"):
    return run(Source(str(folder)), job=job, choice=Choice("", expected_of(name).get("mapping", {})))


# ------------------------------------------------------------------ knowing it


@by_format
def test_every_format_has_a_sample_that_was_counted(name):
    assert files_of(name)
    assert {"records", "messages", "sessions", "rejected", "texts", "titles", "models"} <= expected_of(
        name
    ).keys()
    assert FORMATS[name].label
    assert FORMATS[name].description


@by_file
def test_a_file_is_known_and_it_is_said_why(name, path):
    found = detect(in_memory(name, path))
    assert found.format.name == name
    assert len(found.match.explanation.split()) >= 4
    orjson.dumps(found.match.facts)  # a checkpoint can hold them


@by_content
def test_its_content_tells_what_a_file_is_whatever_it_is_called(name, path):
    for called in NAMES:
        assert detect(MemoryEntry(path.read_bytes(), called, called, "")).format.name == name


@by_file
def test_no_file_is_claimed_by_two_formats(name, path):
    sample = sample_of(in_memory(name, path))
    claims = [each.name for each in FORMATS.values() if not each.needs_mapping and each.detect(sample)]
    assert claims == ([] if FORMATS[name].needs_mapping else [name])


@by_file
def test_a_file_may_be_read_as_the_format_that_it_is(name, path):
    assert detect(in_memory(name, path), Choice(name)).format.name == name


# ------------------------------------------------------------------ taking it in


@by_format
def test_the_counts_equal_those_made_by_hand(archive_db, given, name):
    expected = expected_of(name)
    done = taken_in(name, given(name))
    assert (done.seen, done.rejected) == (expected["records"], expected["rejected"])
    assert archive_db.messages_current.count_documents({}) == expected["messages"]
    assert archive_db.sessions.count_documents({}) == expected["sessions"]
    assert done.last.refused_files == 0
    sources = archive_db.messages_current.distinct("source")
    assert sorted(sources) == expected.get("sources", [FORMATS[name].source])
    check_files(archive_db)
    check_projects(archive_db)
    check_events(archive_db)


@by_format
def test_what_it_says_is_found(archive_db, given, name):
    expected = expected_of(name)
    taken_in(name, given(name))
    texts = [each.get("text", "") for each in archive_db.messages_current.find({}, {"text": 1})]
    assert [text for text in expected["texts"] if not any(text in each for each in texts)] == []
    titles = [each.get("title") for each in archive_db.sessions.find()]
    assert sorted(each for each in titles if each) == sorted(expected["titles"])
    models = archive_db.messages_current.distinct("model")
    assert sorted(models) == sorted(expected["models"])


@by_format
def test_the_same_again_adds_nothing(archive_db, given, name):
    expected, folder = expected_of(name), given(name)
    taken_in(name, folder)
    again = taken_in(name, folder, job="again")
    assert again.inserted == again.updated == 0
    assert again.seen == expected["records"]
    assert archive_db.messages_current.count_documents({}) == expected["messages"]


# ------------------------------------------------------------------ its bytes


@by_kept_file
def test_it_comes_back_byte_for_byte(name, path):
    source = opened(name, path)
    assert given_back(read(source), source.mark(is_done=True)) == path.read_bytes()


@by_file
def test_cut_off_anywhere_it_keeps_what_is_whole(name, path):
    data = path.read_bytes()
    whole = [each for each in read(opened(name, path)) if not isinstance(each, Rejected)]
    for cut in range(1, len(data), len(data) // MOST_CUTS + 1):
        source = opened(name, path, data[:cut])
        found = read(source)
        if FORMATS[name].layout != NOT_KEPT:
            assert given_back(found, source.mark(is_done=True)) == data[:cut], cut
        good = [(each.seq, each.end) for each in found if not isinstance(each, Rejected)]
        kept = [(each.seq, each.end) for each in whole if each.end < cut]
        assert good[: len(kept)] == kept, cut


@by_file
def test_reading_may_stop_behind_any_record_and_go_on(name, path):
    data = path.read_bytes()
    whole = [seen(each) for each in read(opened(name, path))]
    for stop in range(1, len(whole)):
        source = opened(name, path)
        stream = items(source, MAX_RECORD)
        first = [seen(next(stream)) for _ in range(stop)]
        state = source.position()
        again = opened(name, path)
        again.cursor = Cursor(**orjson.loads(orjson.dumps(state["cursor"])))
        again.cursor.digest.update(data[: again.cursor.offset])
        again.context = Context.from_dict(state["context"])
        assert first + [seen(each) for each in read(again)] == whole, stop


@by_kept_file
def test_a_record_that_is_too_long_is_kept_in_pieces(name, path):
    data = path.read_bytes()
    for limit in (64, 300):
        source = opened(name, path)
        assert given_back(read(source, limit), source.mark(is_done=True)) == data


@by_file
def test_memory_does_not_grow_with_the_file(name, path, monkeypatch):
    monkeypatch.setattr(window, "BLOCK", LONGEST)
    monkeypatch.setattr(document, "LONGEST_REST", LONGEST)
    monkeypatch.setattr(side_files, "PIECE_BYTES", LONGEST)
    small, large = (peak_of(opened(name, path, grown(name, path, size))) for size in (SMALL, LARGE))
    assert large - small < (LARGE - SMALL) / 4


def grown(name: str, path: Path, size: int) -> bytes:
    """The sample with its last record repeated until it is so large."""
    data = path.read_bytes()
    ends = [0, *(each.end for each in read(opened(name, path)) if not isinstance(each, Rejected))]
    last = data[ends[-2] : ends[-1]]
    return data[: ends[-2]] + last * (size // len(last)) + data[ends[-1] :]


def peak_of(source: OpenFile) -> int:
    """The most bytes that are held while the file is read record by record."""
    tracemalloc.start()
    for _ in items(source, LONGEST):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
