"""CSV and Parquet of the real archive: API responses counted once, refusals before a job is made."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyarrow.parquet import read_table

from archive import call_reader, sessions
from archive.filters import MessageFilter
from exports import sharing
from exports.artifacts import find_artifact
from exports.filters import BadFilter
from exports.models import ExportJob
from exports.services import create_export, run_export
from tests.exports.seed import ONE, TWO

Made = Callable[..., tuple[ExportJob, bytes]]


@pytest.fixture
def made(tree: Any, people: Any, artifacts_dir: Path) -> Made:
    """``made("csv", {"rows": "sessions"}, model="…")``: a finished export of alice's, and its bytes."""

    def make(name: str, choices: dict[str, Any], **asked: Any) -> tuple[ExportJob, bytes]:
        job = create_export(people.alice, format=name, asked=asked, choices=choices)
        run_export(job)
        job = ExportJob.objects.get(pk=job.pk)
        assert job.state == "completed", job.error
        return job, find_artifact(people.alice, job.pk).path.read_bytes()

    return make


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def test_messages_are_rows_in_the_order_of_their_conversations(made: Made) -> None:
    job, data = made("csv", {})
    rows = read(data)
    assert [row["sessionId"] for row in rows] == [ONE] * 4 + [TWO] * 3
    assert rows[0]["text"] == "saluton 1 ☃"
    assert rows[1]["model"] == "claude-sonnet-4-20250514"
    assert (rows[1]["inputTokens"], rows[1]["outputTokens"]) == ("1000", "100")
    assert job.artifact is not None
    assert (job.artifact.messages, job.artifact.sessions) == (7, 2)


def test_api_responses_cost_together_what_the_archive_cost(made: Made) -> None:
    job, data = made("csv", {"rows": "api_calls"})
    rows = read(data)
    assert len(rows) == 2
    assert sum(Decimal(row["costUsd"]) for row in rows) == sessions.totals()["totalCost"] > 0
    assert job.artifact is not None
    assert job.artifact.manifest["counts"]["calls"] == job.counts["calls"] == 2
    assert not job.artifact.manifest["empty"]
    assert job.records_total == job.records_done == 2


def test_conversations_cost_together_what_the_archive_cost(made: Made) -> None:
    rows = read(made("csv", {"rows": "sessions"})[1])
    assert [(row["sessionId"], row["messageCount"], row["exportedMessages"]) for row in rows] == [(ONE, "4", "4"), (TWO, "3", "3")]
    assert sum(Decimal(row["costUsd"]) for row in rows) == sessions.totals()["totalCost"]


def test_parquet_says_the_same_as_csv(made: Made) -> None:
    for rows in ("messages", "sessions", "api_calls"):
        table = read_table(io.BytesIO(made("parquet", {"rows": rows})[1])).to_pylist()
        texts = read(made("csv", {"rows": rows})[1])
        for name in ("sessionId", "project"):
            assert [row[name] for row in table] == [row[name] for row in texts]
        for name in {"inputTokens", "costUsd"} & set(table[0]):
            assert [row[name] for row in table] == [Decimal(row[name]) if row[name] else None for row in texts]


def test_a_table_that_two_processes_make_is_the_one_that_one_makes(made: Made, people: Any, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    _, whole = made("csv", {})
    monkeypatch.setattr(sharing, "WORTH_MESSAGES", 1)
    settings.CLAUDELENS_EXPORT_PROCESSES = 2
    shared, spans = sharing.render_shared, []
    monkeypatch.setattr(sharing, "render_shared", lambda job, framing, parts, beside: (spans.extend(parts), shared(job, framing, parts, beside))[1])
    assert made("csv", {})[1] == whole
    assert len(spans) == 2


def test_a_filter_narrows_the_responses(made: Made) -> None:
    for asked, left in (({"model": "claude-opus-4-20250514"}, [TWO]), ({"session": ONE}, [ONE]), ({"since": "2026-01-01"}, []), ({"subagents": "only"}, [])):
        _, data = made("csv", {"rows": "api_calls"}, **asked)
        assert [row["sessionId"] for row in read(data)] == left, asked


def test_a_filter_of_messages_alone_is_refused_for_responses(tree: Any, people: Any) -> None:
    for word, value in (("source", "claude-code"), ("text", "saluton"), ("role", "user"), ("type", "user"), ("tool", "Bash"), ("branch", "main")):
        with pytest.raises(BadFilter) as refusal:
            create_export(people.alice, format="csv", asked={word: value}, choices={"rows": "api_calls"})
        assert refusal.value.field == word
    assert not ExportJob.objects.exists()


@pytest.mark.parametrize(("name", "choices"), [("csv", {"columns": ["text", "colour"]}), ("parquet", {"compression": "gzip"}), ("parquet", {"guardFormulas": True, "columns": ["guarded"]})])
def test_what_cannot_be_made_is_refused_before_there_is_a_job(archive_db: Any, people: Any, name: str, choices: dict[str, Any]) -> None:
    with pytest.raises(BadFilter):
        create_export(people.alice, format=name, asked={}, choices=choices)
    assert not ExportJob.objects.exists()


def test_responses_are_read_in_pieces_each_once(tree: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [call["_id"] for call in call_reader.scan_calls(MessageFilter())]
    assert len(whole) == call_reader.count_calls(MessageFilter()) == 2
    monkeypatch.setattr(call_reader, "CALLS_AT_ONCE", 1)
    assert [call["_id"] for call in call_reader.scan_calls(MessageFilter())] == whole
    costly = MessageFilter(min_cost=Decimal("0.01"))
    assert [call["sessionId"] for call in call_reader.scan_calls(costly)] == [TWO]
