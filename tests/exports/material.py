"""A small archive made of plain values, for the pure renderers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from exports.renderers.names import UniqueNames
from exports.shaping import Changes

START = datetime(2025, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)


@dataclass(frozen=True)
class PlainFile:
    """A source file with its bytes at hand."""

    id: str
    path: str
    data: bytes
    sessions: tuple[str, ...] = ()
    copies: tuple[Any, ...] = ()

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


@dataclass
class PlainMaterial:
    """Implements ``exports.renderers.base.Material`` from lists."""

    message_list: list[dict[str, Any]] = field(default_factory=list)
    session_list: list[dict[str, Any]] = field(default_factory=list)
    file_list: list[PlainFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    call_list: list[dict[str, Any]] = field(default_factory=list)
    names: UniqueNames = field(default_factory=UniqueNames)
    changes: Changes = field(default_factory=Changes)

    def messages(self, fields: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """Only what was asked for, so that a format that forgets a field is found out."""
        kept = {"sessionId", *fields}
        return ({name: each[name] for name in each if not fields or name in kept} for each in self.message_list)

    def sessions(self) -> Iterator[dict[str, Any]]:
        return iter(self.session_list)

    def calls(self) -> Iterator[dict[str, Any]]:
        return iter(self.call_list)

    def project(self, project_id: Any) -> dict[str, Any]:
        return {"slug": "-home-ana-app", "path": "/home/ana/app"}

    def files(self) -> Iterator[PlainFile]:
        return iter(self.file_list)

    def file_name(self, path: str) -> str:
        return self.names.give(path)

    def chunks(self, file: PlainFile) -> Iterator[bytes]:
        for start in range(0, len(file.data), 1000):
            yield file.data[start : start + 1000]

    def note(self, text: str) -> None:
        self.notes.append(text)


def message(session: str, number: int, **more: Any) -> dict[str, Any]:
    """One stored message, as ``archive.reader`` hands it out."""
    record = {"type": "user", "uuid": f"{session}-{number}", "message": {"content": f"saluton {number} — ☃"}, "a.b": {"$x": 1}}
    return {
        "_id": sha256(f"{session}/{number}".encode()).digest(),
        "sessionId": session,
        "projectId": "65f0c0ffee00000000000001",
        "uuid": record["uuid"],
        "parentUuid": None,
        "type": "user",
        "role": "user",
        "timestamp": START + timedelta(seconds=number),
        "fileId": "f" * 24,
        "seq": number * 1024,
        "cwd": "/home/ana/app",
        "gitBranch": "",
        "version": "2.1.0",
        "source": "claude-code",
        "text": f"saluton {number} — ☃",
        "record": record,
        "contentHash": b"\x00\xff" * 16,
        "importId": "i1",
        "importedAt": START,
        **more,
    }


def session(session_id: str, count: int) -> dict[str, Any]:
    """One stored session."""
    return {
        "sessionId": session_id,
        "projectId": "65f0c0ffee00000000000001",
        "title": f"About {session_id}",
        "source": "claude-code",
        "startedAt": START,
        "endedAt": START + timedelta(hours=1),
        "messageCount": count,
        "totalCost": Decimal("0.0123450"),
        "models": ["claude-sonnet-4"],
        "summary": "A summary",
        "tags": ["x"],
        "fileIds": ["f" * 24],
    }


def small_archive() -> PlainMaterial:
    """Two sessions of three messages, one with exact bytes kept, and two files."""
    messages = [message(name, number) for name in ("s1", "s2") for number in (1, 2, 3)]
    messages[1]["raw"] = b'{"n":1e5,\x00}'
    messages[2]["costUsd"] = Decimal("1.10")
    lines = [json.dumps(each["record"], separators=(",", ":")).encode() for each in messages]
    files = [
        PlainFile("f1", "projects/-home-ana-app/s1.jsonl", b"\n".join(lines[:3]) + b"\n", ("s1",)),
        PlainFile("f2", "projects/-home-ana-app/s2.jsonl", b"\r\n".join(lines[3:]), ("s2",)),
    ]
    return PlainMaterial(messages, [session("s0", 4), session("s1", 3), session("s2", 3)], files)
