"""The documented JSON Schemas describe what is really written, all of it, and nothing else."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from archive.filters import MessageFilter
from exports.choices import CONTENTS, SECRETS, Choices
from exports.material import ArchiveMaterial
from exports.renderers import RENDERERS
from exports.renderers.jsonl import end_line
from imports.formats import Choice
from tests.exports.material import PlainMaterial, small_archive
from tests.imports.running import run
from tests.imports.test_formats import SAMPLES

FOLDER = Path(__file__).resolve().parents[2] / "docs/schemas"
SCHEMAS = {path.name.partition(".")[0]: json.loads(path.read_bytes()) for path in FOLDER.glob("*.schema.json")}
CHECKER = FormatChecker(())
VALIDATORS = {name: Draft202012Validator(schema, format_checker=CHECKER) for name, schema in SCHEMAS.items()}
CHOICES = {
    "as they are": Choices(),
    "masked": Choices(redact=SECRETS, patterns=("[a-z]+ing",)),
    "without": Choices(without=CONTENTS),
    "both": Choices(redact=SECRETS, without=CONTENTS),
}


@CHECKER.checks("date-time", ValueError)
def is_moment(value: object) -> bool:
    return datetime.fromisoformat(str(value)).tzinfo is not None


@pytest.fixture
def every_source(archive_db: Any, tmp_path: Path) -> None:
    """The samples of every source format, imported."""
    for folder in sorted(SAMPLES.iterdir()):
        mapping = orjson.loads((folder / "expected.json").read_bytes()).get("mapping", {})
        given = tmp_path / folder.name
        shutil.copytree(folder, given, ignore=shutil.ignore_patterns("expected.json"))
        run(given, job=folder.name, choice=Choice(folder.name if mapping else "", mapping))
    assert len(archive_db.messages_current.distinct("source")) > 5


def written(name: str, material: Any, choices: Choices) -> list[Any]:
    """What an export holds, as the values that its schema is about."""
    data = b"".join(RENDERERS[name].render(material, choices))
    return [json.loads(line) for line in data.splitlines()] if name == "jsonl" else [json.loads(data)]


def faults(name: str, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATORS[name].iter_errors(value)]


def test_there_is_a_schema_for_each_format_of_json() -> None:
    assert set(SCHEMAS) == {"json", "jsonl"}
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    parts = [schema["$defs"] for schema in SCHEMAS.values()]
    own = {"message", "end", "conversation", "sessionMetadata"}
    assert {k: v for k, v in parts[0].items() if k not in own} == {k: v for k, v in parts[1].items() if k not in own}


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_exports_of_every_source_are_as_described(every_source: None, choices: Choices) -> None:
    for name in SCHEMAS:
        values = written(name, ArchiveMaterial(MessageFilter()), choices)
        assert len(values) > (100 if name == "jsonl" else 0)
        assert not [fault for value in values for fault in faults(name, value)]


def test_every_field_of_the_schema_is_written_by_something(every_source: None) -> None:
    """But for those that no sample has: a price on a message, and what is said of masked ones."""
    lines = written("jsonl", ArchiveMaterial(MessageFilter()), Choices())
    seen = {name for line in lines for name in line}
    assert set(SCHEMAS["jsonl"]["$defs"]["message"]["properties"]) - seen == {"costUsd", "changed"}
    (document,) = written("json", ArchiveMaterial(MessageFilter()), Choices())
    seen = {name for each in document["conversations"] for message in each["messages"] for name in message}
    assert set(SCHEMAS["json"]["$defs"]["message"]["properties"]) - seen == {"changed"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_empty_export_and_unusual_messages_are_as_described(name: str) -> None:
    archive = small_archive()
    archive.message_list[0].update(timestamp=None, parentUuid=None)
    archive.message_list[1].pop("record")
    for material in (PlainMaterial(), archive):
        values = written(name, material, Choices())
        known = [{k: v for k, v in value.items() if v is not None} if name == "jsonl" else value for value in values]
        for value in known:
            for message in [value] if name == "jsonl" else [m for c in value["conversations"] for m in c["messages"]]:
                message["fileId"] = message.get("fileId", "") and "f" * 24
        assert not [fault for value in known for fault in faults(name, value)]


def test_the_end_of_a_live_export_is_described() -> None:
    assert not faults("jsonl", json.loads(end_line(3)))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"surprise": 1}, "surprise"),
        ({"contentHash": "xyz"}, "contentHash"),
        ({"timestamp": "2025-03-01"}, "timestamp"),
        ({"timestamp": "2025-13-41T99:00:00.000Z"}, "timestamp"),
        ({"costUsd": 0.5}, "costUsd"),
        ({"raw": "?"}, "raw"),
        ({"seq": "1"}, "seq"),
        ({"usage": {"input": -1}}, "usage"),
        ({"record": []}, "record"),
        ({"id": None}, "id"),
    ],
)  # fmt: skip
def test_what_is_not_as_described_is_found(change: dict[str, Any], path: str) -> None:
    (first, *_) = written("jsonl", small_archive(), Choices())
    good = {**first, "parentUuid": "p", "fileId": "f" * 24}
    assert not faults("jsonl", good)
    assert faults("jsonl", {**good, **change})
