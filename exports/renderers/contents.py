"""The table of contents of an export with a page for each conversation. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exports.renderers.base import Document
from exports.renderers.names import UniqueNames
from exports.renderers.values import iso

LONGEST_TITLE = 120
"""Characters of a title, and of a project's path, in a table of contents."""
LONGEST_SLUG = 60
FOLDER = "conversations"


def one_line(value: Any) -> str:
    """The text without line breaks and needless blanks."""
    return " ".join(str(value or "").split())


def title_of(session_id: str, session: Document) -> str:
    """What a conversation is called; its id where it has no name."""
    return one_line(session.get("title")) or one_line(session_id) or "Untitled"


def facts_of(session: Document, project: Mapping[str, Any]) -> dict[str, str]:
    """What is known of a conversation, in words; without what is not known."""
    facts = {
        "Project": project.get("path") or project.get("slug"),
        "Source": session.get("source"),
        "Time": " – ".join(times_of(session)),
        "Messages": session.get("messageCount"),
        "Models": ", ".join(map(str, session.get("models") or ())),
        "Cost": money(session.get("totalCost")),
    }
    return {name: one_line(value) for name, value in facts.items() if value}


def money(value: Any) -> str:
    """An amount in US dollars, exact, without the zeros that say nothing; "" for none.

    >>> money("3.544860400000"), money("12.00"), money(None)
    ('3.5448604 USD', '12 USD', '')
    """
    text = str(value) if value else ""
    text = text.rstrip("0").rstrip(".") if "." in text and text.replace(".", "").isdigit() else text
    return f"{text} USD" if text else ""


def times_of(session: Document) -> list[str]:
    """When a conversation began and ended, as far as that is known."""
    return [iso(session[name]) for name in ("startedAt", "endedAt") if session.get(name)]


def _slug(text: str) -> str:
    """
    >>> _slug("Cards of the mill: 3 & 4?")
    'cards-of-the-mill-3-4'
    """
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text).lower())
    return "-".join(words)[:LONGEST_SLUG].rstrip("-")


def counted(number: int, what: str) -> str:
    """``1 message``, ``2 messages``"""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


@dataclass
class Counted:
    """Messages on their way through."""

    messages: Iterable[Document]
    count: int = 0

    def __iter__(self) -> Iterator[Document]:
        for message in self.messages:
            self.count += 1
            yield message


@dataclass(frozen=True, slots=True)
class Line:
    """One conversation: its page, what it is called, when it began, and how much of it is here."""

    began: str
    address: str
    title: str
    project: str
    messages: int


@dataclass
class Contents:
    """What has been exported so far. Memory: some 500 bytes a conversation."""

    lines: list[Line] = field(default_factory=list)
    _names: UniqueNames = field(default_factory=UniqueNames)

    def name(self, session_id: str, session: Document, ending: str) -> str:
        """A safe name for the conversation's file that no other has: when it began, its title, its id."""
        began = iso(session["startedAt"])[:10] if session.get("startedAt") else ""
        parts = (began, _slug(one_line(session.get("title"))), _slug(session_id[:8]))
        name = "-".join(part for part in parts if part) or "conversation"
        return self._names.give(f"{FOLDER}/{name}{ending}")

    def add(
        self, address: str, session_id: str, session: Document, project: Mapping[str, Any], count: int
    ) -> None:
        """Remember a conversation that was written."""
        began = iso(session["startedAt"]) if session.get("startedAt") else ""
        place = one_line(project.get("path") or project.get("slug"))
        title = title_of(session_id, session)[:LONGEST_TITLE]
        self.lines.append(Line(began, address, title, place[-LONGEST_TITLE:], count))

    @property
    def summary(self) -> str:
        """How much was exported, in words."""
        messages = counted(sum(line.messages for line in self.lines), "message")
        return f"{counted(len(self.lines), 'conversation')}, {messages}."

    def newest_first(self) -> list[Line]:
        """All of them; those that began last come first."""
        return sorted(self.lines, key=lambda line: line.began, reverse=True)
