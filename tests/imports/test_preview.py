"""What an import would find: told at once, and without changing anything."""

import time

import orjson
import pytest

from imports.formats import Choice
from imports.preview import MAX_RECORDS, MESSAGES_SHOWN, preview
from tests.imports.running import run
from tests.samples.making import ONE, dump, joined, user


def sources(*paths):
    return [{"path": str(path), "name": path.name, "upload": None} for path in paths]


def transcript(path, count, first=0, extra=()):
    path.write_bytes(joined([*(dump(user(ONE, number)) for number in range(first, first + count)), *extra]))
    return path


def everything(db):
    return {name: db[name].count_documents({}) for name in db.list_collection_names()}


def test_it_tells_format_messages_problems_and_what_is_new(archive_db, tmp_path):
    file = transcript(tmp_path / "a.jsonl", 60, extra=[b"{bad", b"// note", b"{worse"])
    before = everything(archive_db)
    found = preview(sources(file))
    (one,) = found.files
    assert (one.format, one.refusal, one.is_whole, one.looked_at) == ("claude-code", None, True, 63)
    assert "60 of 63" in one.explanation
    assert len(found.messages) == MESSAGES_SHOWN
    assert found.messages[0] | {"time": None} == {
        "line": 1, "session": ONE, "type": "user", "role": "user", "time": None, "model": "", "text": "Question 0", "isCut": False,
    }
    assert [(each.code, each.count) for each in one.problems] == [("not_json", 2), ("comment", 1)]
    assert one.problems[0].records[0]["line"] == 61
    assert (found.expected.new, found.expected.known, found.expected.conflicts) == (60, 0, 0)
    assert everything(archive_db) == before


def test_it_knows_what_is_held_and_what_conflicts(archive_db, tmp_path):
    run(transcript(tmp_path / "a.jsonl", 10))
    changed = [dump(user(ONE, number, "edited")) for number in (3, 4)]
    longer = transcript(tmp_path / "b.jsonl", 12, extra=changed)
    before = everything(archive_db)
    found = preview(sources(longer))
    assert (found.expected.new, found.expected.known, found.expected.conflicts) == (4, 10, 2)
    assert everything(archive_db) == before


def test_files_that_cannot_be_read_are_told_beside_the_others(archive_db, tmp_path):
    (tmp_path / "odd.jsonl").write_bytes(b"hello\nworld\n")
    (tmp_path / "none.jsonl").write_bytes(b"")
    transcript(tmp_path / "good.jsonl", 3)
    found = preview(sources(tmp_path))
    told = {each.name: each.refusal and each.refusal["code"] for each in found.files}
    assert told == {"good.jsonl": None, "none.jsonl": "empty_file", "odd.jsonl": "unknown_format"}
    assert found.formats == {"Claude Code transcript": 1}


def test_a_chosen_format_is_used(archive_db, tmp_path):
    found = preview(sources(transcript(tmp_path / "a.jsonl", 3)), Choice("claude-ai"))
    assert found.files[0].refusal["code"] == "other_format"


@pytest.mark.parametrize("kind", ["lines", "document"])
def test_a_large_file_is_answered_within_two_seconds(archive_db, tmp_path, kind):
    file = tmp_path / "large.jsonl"
    if kind == "lines":
        line = dump(user(ONE, 0, "x" * 20_000)) + b"\n"
        block = b"".join(line.replace(b"Question", b"%d" % n) for n in range(50))
        with file.open("wb") as out:
            for _ in range(300):
                out.write(block)
    else:
        message = {"uuid": "m", "sender": "human", "text": "x" * 20_000}
        conversation = orjson.dumps({"uuid": "c", "chat_messages": [message] * 50})
        with file.open("wb") as out:
            out.write(b"[" + conversation)
            for _ in range(300):
                out.write(b"," + conversation)
            out.write(b"]")
    assert file.stat().st_size > 300_000_000
    preview(sources(transcript(tmp_path / "warm.jsonl", 1)))
    started = time.monotonic()
    found = preview(sources(file))
    assert time.monotonic() - started < 2
    assert 0 < found.looked_at <= MAX_RECORDS + 50
    assert not found.is_whole


def test_a_dry_run_counts_as_the_import_does_and_changes_nothing(archive_db, tmp_path):
    run(transcript(tmp_path / "first.jsonl", 10))
    changed = [dump(user(ONE, number, "edited")) for number in (3, 4)]
    transcript(tmp_path / "second.jsonl", 12, extra=[*changed, b"{bad"])
    copies = tmp_path / "third.jsonl"
    copies.write_bytes((tmp_path / "second.jsonl").read_bytes() + b"\n" + dump(user(ONE, 50)))
    before = {name: list(archive_db[name].find()) for name in ("messages_current", "source_files", "sessions", "projects", "message_copies", "events")}
    for conflict in ("keep-both", "skip", "replace"):
        planned = run(tmp_path, job=f"dry {conflict}", dry_run=True, conflict=conflict, batch_docs=8)
        assert before == {name: list(archive_db[name].find()) for name in before}
    for each in archive_db.rejected_records.find({"jobId": "dry replace"}):
        assert each["path"].endswith(("second.jsonl", "third.jsonl"))
    real = run(tmp_path, job="real", conflict="replace", batch_docs=8)
    assert {name: planned.counts[name] for name in real.counts} == real.counts


def test_a_dry_run_that_was_stopped_goes_on(archive_db, tmp_path):
    transcript(tmp_path / "a.jsonl", 40, extra=[b"{bad"])
    transcript(tmp_path / "b.jsonl", 40, first=20)
    whole = run(tmp_path, job="whole", dry_run=True, batch_docs=8)
    for stop in range(1, len(whole.steps)):
        run(tmp_path, job=f"stopped {stop}", dry_run=True, batch_docs=8, stop_after=stop)
        again = run(tmp_path, job=f"stopped {stop}", token=2, dry_run=True, batch_docs=8)
        assert again.counts["seen"] == whole.counts["seen"]
        assert again.counts["rejected"] == whole.counts["rejected"]
    assert archive_db.source_files.count_documents({}) == 0
