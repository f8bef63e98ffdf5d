"""The process of its own that reads large imports."""

import os
import signal
from contextlib import closing

import pytest

from archive.errors import Unavailable
from imports.normalise import start_context
from imports.reader_process import ReaderProcess
from imports.readers.lines import Cursor
from imports.readers.sources import list_entries
from imports.reading import Limits, Reading, read_pieces
from tests.imports.reading import FILE_ID
from tests.samples import making


@pytest.fixture
def reading(tmp_path):
    path = tmp_path / "session.jsonl"
    path.write_bytes(making.joined(making.conversation(making.ONE, 12), b"\n"))
    (entry,) = list_entries(str(path)).entries
    context = start_context("session.jsonl", "", "")
    return lambda: Reading(entry, FILE_ID, Cursor(), context, 0, "job", Limits(10**6, 5), "claude-code")


def test_it_gives_what_reading_here_gives(reading):
    with closing(ReaderProcess()) as process:
        there = [(item.seq, item.key) for piece in process.read_pieces(reading()) for item in piece.items]
    assert there == [(item.seq, item.key) for piece in read_pieces(reading()) for item in piece.items]
    assert len(there) >= 12


def test_a_child_that_dies_between_two_files_is_a_passing_fault(reading):
    with closing(ReaderProcess()) as process:
        count = sum(len(piece.items) for piece in process.read_pieces(reading()))
        child = process._process
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        with pytest.raises(Unavailable, match="has died"):
            list(process.read_pieces(reading()))
        assert sum(len(piece.items) for piece in process.read_pieces(reading())) == count


def test_a_reading_given_up_in_the_middle_leaves_nothing_for_the_next(reading):
    with closing(ReaderProcess()) as process:
        pieces = process.read_pieces(reading())
        next(pieces)
        pieces.close()
        assert [piece.cursor.offset for piece in process.read_pieces(reading())][0] > 0
