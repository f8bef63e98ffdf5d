"""Four hundred days of one person's work, and an account of it that owes nothing to the product."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
A_SESSION = 9
"""A conversation goes on for so many days, and its file grows."""
KEPT = 30
"""Claude Code deletes a transcript so many days after its last line."""
SLUGS = ("-home-ada-shop", "-home-ada-garden")
MODELS = ("claude-sonnet-4-5-20250929", "claude-opus-4-20250514", "claude-3-5-haiku-20241022")
TOPICS = ("ĉevaloj", "butiko", "pluvo", "Katoj", "legomoj")
LARGE_DAY, LARGE = 50, 4_300_000
LATE_DAYS = {150: 30, 260: 70, 375: 10}
"""On these days a file comes to light whose messages are of those days."""


@dataclass(frozen=True)
class Line:
    """A line of a transcript, as it was written, and what is known of it."""

    path: str
    session: str
    uuid: str
    type: str
    at: datetime | None
    text: str
    model: str
    data: bytes

    @property
    def slug(self) -> str:
        return self.path.split("/")[1]


class Diary:
    """What was written so far: every line, by its file."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.files: dict[str, list[Line]] = {}
        self.written: dict[str, int] = {}
        self.uuids = 0

    @property
    def lines(self) -> list[Line]:
        return [line for each in self.files.values() for line in each]

    def count(self, wanted: Callable[[Line], bool]) -> int:
        return sum(map(wanted, self.lines))

    def by_month_and_model(self) -> Counter[tuple[datetime | None, str | None]]:
        months = ((each.at and each.at.replace(day=1, hour=0, minute=0, second=0), each.model or None) for each in self.lines)
        return Counter(months)

    def as_files(self) -> dict[str, bytes]:
        return {path: b"".join(each.data + b"\n" for each in lines) for path, lines in self.files.items()}

    def write_day(self, day: int) -> None:
        """What is written on that day, into the transcripts that Claude Code still keeps."""
        session, slug = _session(day // A_SESSION), SLUGS[day // A_SESSION % 2]
        path = f"projects/{slug}/{session}.jsonl"
        if path not in self.files:
            self._add(path, {"type": "summary", "summary": f"Notoj pri {TOPICS[day % 5]}", "leafUuid": session})
        self._add_talk(path, session, day, 3 + day % 3)
        if day == LARGE_DAY:
            self._add_message(path, session, BEGIN + day * DAY + timedelta(hours=22), "x" * LARGE)
        if day in LATE_DAYS:
            late = _session(900 + day)
            self._add_talk(f"projects/{slug}/{late}.jsonl", late, LATE_DAYS[day], 5, minutes=30)
            self.written[f"projects/{slug}/{late}.jsonl"] = day
        self.written[path] = day
        for name, last in self.written.items():
            if last == day:
                self._save(name)
            elif last < day - KEPT:
                (self.home / name).unlink(missing_ok=True)

    def write_everything(self) -> None:
        """Every transcript that there ever was, as from a backup."""
        shutil.rmtree(self.home)
        for path in self.files:
            self._save(path)

    def _save(self, path: str) -> None:
        place = self.home / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"".join(each.data + b"\n" for each in self.files[path]))

    def _add_talk(self, path: str, session: str, day: int, count: int, minutes: int = 0) -> None:
        for number in range(count):
            at = BEGIN + day * DAY + timedelta(hours=8 + 3 * number, minutes=minutes)
            self._add_message(path, session, at, f"{day}.{number}: pri {TOPICS[(day + number) % 5]}", answers=bool(number % 2))

    def _add_message(self, path: str, session: str, at: datetime, text: str, *, answers: bool = False) -> None:
        self.uuids += 1
        record: dict[str, Any] = {
            "parentUuid": None,
            "isSidechain": False,
            "cwd": "/home/ada/" + path.split("/")[1].rpartition("-")[2],
            "sessionId": session,
            "gitBranch": "main",
            "type": "user",
            "message": {"role": "user", "content": text},
            "uuid": f"00000000-0000-4000-8000-{self.uuids:012}",
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        if answers:
            content = [{"type": "text", "text": text}]
            usage = {"input_tokens": 10, "output_tokens": self.uuids}
            ids = {"id": f"msg_{self.uuids}", "type": "message", "role": "assistant", "model": MODELS[at.day % 3]}
            record |= {"type": "assistant", "message": {**ids, "content": content, "usage": usage}}
        self._add(path, record)

    def _add(self, path: str, record: dict[str, Any]) -> None:
        at, message = record.get("timestamp"), record.get("message") or {}
        content = message.get("content", record.get("summary", ""))
        line = Line(
            path,
            path.rpartition("/")[2].removesuffix(".jsonl"),
            record.get("uuid", ""),
            record["type"],
            datetime.fromisoformat(at) if at else None,
            content if isinstance(content, str) else content[0]["text"],
            message.get("model", ""),
            json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode(),
        )
        self.files.setdefault(path, []).append(line)


def _session(number: int) -> str:
    return f"{number:08}-1111-4111-8111-111111111111"


def nights(days: int, every: int) -> Iterator[int]:
    """The days on which nights are lived through: each so many days, every first of a month, and the last."""
    for day in range(1, days + 1):
        if day % every == 0 or (BEGIN + day * DAY).day == 1 or day == days:
            yield day
