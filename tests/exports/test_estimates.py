"""What an export would come to is told before it is made, soon, and says how sure it is."""

from __future__ import annotations

import time
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
from bson.int64 import Int64

from archive.errors import TooSlow
from archive.filters import MessageFilter
from exports import estimates
from exports.choices import Choices, build_choices
from exports.estimates import estimate
from exports.material import ArchiveMaterial
from exports.models import ExportJob
from exports.part_files import RESERVE_BYTES
from exports.renderers import RENDERERS
from tests.exports.seed import ONE, TWO

every_format = pytest.mark.parametrize("name", RENDERERS)
EVERYTHING = MessageFilter()


def too_slow(*_: Any, **__: Any) -> Any:
    raise TooSlow("not today")


def real_bytes(name: str, choices: Choices, wanted: MessageFilter = EVERYTHING) -> int:
    return sum(map(len, RENDERERS[name].render(ArchiveMaterial(wanted), choices)))


@pytest.fixture
def many(archive_db: Any, tree: Any) -> int:
    """6,000 messages in 300 sessions, of very different lengths, one in ten by an assistant of its own kind."""
    pattern = archive_db.messages_current.find_one({"sessionId": ONE})
    told, known = [], archive_db.sessions.find_one({"_id": ONE})
    for number in range(6000):
        text = "lorem ipsum " * (1 + number * 7919 % 97)
        told.append(
            pattern
            | {
                "_id": sha256(b"%d" % number).digest(),
                "sessionId": f"many-{number % 300:04}",
                "seq": Int64(pattern["seq"] + number),
                "model": "rare" if number % 10 == 0 else "common",
                "record": {"type": "user", "message": {"content": text}},
                "text": text,
            }
        )  # fmt: skip
    archive_db.messages_current.insert_many(told)
    archive_db.sessions.insert_many(
        [known | {"_id": f"many-{number:04}", "sessionId": f"many-{number:04}", "messageCount": Int64(20)} for number in range(300)]
    )
    return 6000


@every_format
def test_a_small_archive_is_told_exactly(name: str, tree: dict[str, bytes]) -> None:
    found = estimate(RENDERERS[name], EVERYTHING, Choices())
    assert (found.messages, found.sessions, found.is_exact) == (7, 2, True)
    real = real_bytes(name, Choices())
    assert found.bytes == real if name != "claude-code" else 0.5 * real < found.bytes < 1.5 * real


@every_format
def test_nothing_matching_is_nothing(name: str, tree: dict[str, bytes]) -> None:
    found = estimate(RENDERERS[name], MessageFilter(session_ids=("nobody",)), Choices())
    assert (found.messages, found.sessions, found.is_exact, found.sample) == (0, 0, True, "")
    assert found.bytes < 10_000


@pytest.mark.parametrize("name", ["json", "jsonl", "markdown"])
@pytest.mark.parametrize("models", [(), ("rare",)])
def test_the_bytes_of_many_are_worked_out_from_a_few(name: str, models: tuple[str, ...], many: int) -> None:
    wanted = MessageFilter(models=models)
    found = estimate(RENDERERS[name], wanted, Choices())
    assert found.is_exact
    assert found.messages == (600 if models else many + 7)
    assert found.bytes == pytest.approx(real_bytes(name, Choices(), wanted), rel=0.25)


def test_what_cannot_be_counted_in_time_is_worked_out_and_said_to_be(many: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(estimates.reader, "count_messages", too_slow)
    monkeypatch.setattr(estimates.sampling, "count_sessions_of", too_slow)
    # Read whole and shuffled: where MongoDB picks from few, it picks by far not evenly.
    monkeypatch.setattr(estimates.sampling, "SPARSE", 6)
    wanted = MessageFilter(models=("rare",))
    found = estimate(RENDERERS["jsonl"], wanted, Choices())
    assert not found.is_exact
    assert 300 < found.messages < 900, "one in ten, by a sample of a thousand"
    assert found.sessions <= 302
    assert 0.3 < found.bytes / real_bytes("jsonl", Choices(), wanted) < 2


def test_mongodb_stops_what_takes_too_long(many: int, monkeypatch: Any) -> None:
    slow = {"$expr": {"$gt": [{"$size": {"$map": {"input": {"$range": [0, 300_000]}, "in": 1}}}, 5]}}
    asked, real = MessageFilter(sources=("any",)), MessageFilter.to_query
    # Only what is asked for is slow, not the lines of the files that are looked into.
    monkeypatch.setattr(MessageFilter, "to_query", lambda self: slow if self == asked else real(self))
    for name in ("jsonl", "claude-code"):
        start = time.monotonic()
        assert not estimate(RENDERERS[name], asked, Choices()).is_exact
        assert time.monotonic() - start < 4


def test_files_that_cannot_be_found_in_time_are_worked_out(tree: dict[str, bytes], monkeypatch: Any) -> None:
    real = estimates.sampling.total_files
    monkeypatch.setattr(estimates.sampling, "total_files", lambda wanted, *more: (real if wanted == EVERYTHING else too_slow)(wanted, *more))
    found = estimate(RENDERERS["claude-code"], MessageFilter(sources=("claude-code",)), Choices())
    assert (found.messages, found.is_exact, found.sample) == (7, False, "")
    assert found.bytes > 0


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_compression_is_measured(packed: str, many: int) -> None:
    plain = estimate(RENDERERS["jsonl"], EVERYTHING, Choices())
    found = estimate(RENDERERS["jsonl"], EVERYTHING, build_choices({"compression": packed}))
    assert found.bytes < plain.bytes / 4, "the same words again and again"


@pytest.mark.parametrize("name", ["json", "jsonl", "markdown"])
def test_the_sample_is_the_beginning_of_the_export(name: str, tree: dict[str, bytes]) -> None:
    sample = estimate(RENDERERS[name], EVERYTHING, Choices()).sample
    whole = b"".join(RENDERERS[name].render(ArchiveMaterial(EVERYTHING), Choices())).decode()
    assert len(sample) > 100
    first = sample[: min(len(sample), 900) - 100]
    assert whole.startswith(first)


def test_the_sample_of_a_zip_is_a_list_of_its_files(tree: dict[str, bytes]) -> None:
    sample = estimate(RENDERERS["claude-code"], EVERYTHING, Choices()).sample
    assert [each.partition("  (")[0] for each in sample.splitlines()] == sorted(tree)


def test_a_sample_is_short_whatever_a_message_holds(archive_db: Any, tree: dict[str, bytes]) -> None:
    text = "\x00<script>\u202e\ud7ff" * 40_000
    archive_db.messages_current.update_one({"sessionId": ONE}, {"$set": {"text": text, "record": {"x": text}}})
    sample = estimate(RENDERERS["jsonl"], EVERYTHING, Choices()).sample
    assert 100 < len(sample) <= estimates.SHOWN_CHARS + 1
    sample.encode()


def test_a_message_that_is_too_long_to_be_shown_is_not_read(archive_db: Any, tree: dict[str, bytes]) -> None:
    archive_db.messages_current.update_many({"sessionId": TWO}, {"$set": {"text": "x" * 1_500_000}})
    found = estimate(RENDERERS["jsonl"], EVERYTHING, Choices())
    assert found.messages == 7
    assert found.bytes > 4_000_000


class TestRoom:
    @pytest.fixture
    def nearly_full(self, tree: Any, artifacts_dir: Any, monkeypatch: Any) -> None:
        """A disk on which two kilobytes are left beside the reserve."""
        usage = SimpleNamespace(free=RESERVE_BYTES + 2000)
        monkeypatch.setattr("exports.part_files.shutil.disk_usage", lambda folder: usage)

    def test_what_does_not_fit_is_refused_before_it_begins(self, nearly_full: None, client: Any, people: Any, tree: Any) -> None:
        client.force_login(people.alice)
        body = {"format": "jsonl"}
        answer = client.post("/api/v1/exports/", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (507, "out_of_space")
        assert not ExportJob.objects.exists()

    def test_what_fits_is_made_though_the_archive_would_not(self, nearly_full: None, client: Any, people: Any, tree: Any) -> None:
        client.force_login(people.alice)
        body = {"format": "jsonl", "filter": {"session": TWO, "type": "assistant"}}
        assert client.post("/api/v1/exports/", body, content_type="application/json").status_code == 202
