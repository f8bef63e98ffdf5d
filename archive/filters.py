"""Which messages: a typed filter, and the MongoDB queries it stands for. Pure.

Every value is compared by the operators that are written here, and a text is looked for as it stands, so
nothing a person sends can act as an operator or as a regular expression.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from bson.decimal128 import Decimal128
from bson.errors import InvalidId
from bson.objectid import ObjectId

from archive.errors import BadInput

Query = dict[str, Any]
# Lists whose values are compared with one field of a message.
EQUAL = {
    "project_ids": "projectId", "session_ids": "sessionId", "sources": "source", "models": "model",
    "types": "type", "roles": "role", "branches": "gitBranch",
}  # fmt: skip
LISTS = (*EQUAL, "tools", "tags")
TIMES = ("since", "until")
COSTS = ("min_cost", "max_cost")
# Blocks that call a tool, and where they stand: in lines of Claude Code, in messages of claude.ai.
CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
CONTENTS = ("record.message.content", "record.content")
LONGEST_TEXT = 1000
# What Decimal128 holds exactly: 34 digits. The archive's own costs have twelve decimal places.
MOST_DOLLARS = Decimal(10) ** 12
MOST_PLACES = 20


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Messages of any of these projects, sessions, sources, models, types, roles and branches, that call any
    of these ``tools`` (empty: all), whose time is at or after ``since`` and before ``until``, with ``text``
    in theirs whatever the case; of ``subagents`` alone (True), of none (False) or of both (None). And of
    their session as a whole: it has any of these ``tags``, and costs from ``min_cost`` to ``max_cost`` US
    dollars, both included."""

    project_ids: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    types: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    text: str = ""
    subagents: bool | None = None
    tags: tuple[str, ...] = ()
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None

    @property
    def chooses_sessions(self) -> bool:
        """Whether it asks for something that only the session of a message knows: then ``to_query`` is not
        all of it, and ``archive.choosing`` makes the queries."""
        return bool(self.tags) or self.min_cost is not None or self.max_cost is not None

    @property
    def reads_content(self) -> bool:
        """Whether it asks for something that only the message itself tells, and not its key."""
        return bool(self.tools or self.text)

    def to_query(self) -> Query:
        """What it asks of a message itself, as the query on a collection of messages. Raises ``BadInput``
        for a project id that is none."""
        query = self.key_query()
        if self.tools:
            query["$or"] = _calls(self.tools)
        if self.text:
            query["text"] = {"$regex": literal_pattern(self.text), "$options": "i"}
        return query

    def key_query(self) -> Query:
        """The part of ``to_query`` that the key of a message answers, too (``archive.keys``)."""
        query: Query = {}
        for name, stored in EQUAL.items():
            values = getattr(self, name)
            if values:
                query[stored] = {
                    "$in": [object_id(each) for each in values] if stored == "projectId" else list(values)
                }
        if self.since or self.until:
            query["timestamp"] = _range(self.since, self.until)
        if self.subagents is not None:
            query["isSidechain"] = {"$eq": True} if self.subagents else {"$ne": True}
        return query

    def session_query(self) -> Query:
        """What every session is like that holds a message it fits, as the query on the sessions. Exact in
        tags and cost; in times a session may fit that has no such message."""
        query: Query = {}
        if self.session_ids:
            query["_id"] = {"$in": list(self.session_ids)}
        if self.since:
            query["endedAt"] = {"$gte": self.since}
        if self.until:
            query["startedAt"] = {"$lt": self.until}
        if self.tags:
            query["tags"] = {"$in": list(self.tags)}
        bounds = {"$gte": self.min_cost, "$lte": self.max_cost}
        costs = {way: Decimal128(bound) for way, bound in bounds.items() if bound is not None}
        return query | ({"totalCost": costs} if costs else {})

    def to_dict(self) -> dict[str, Any]:
        """The filter as JSON values; ``from_dict`` gives it back."""
        given: dict[str, Any] = {name: list(getattr(self, name)) for name in LISTS if getattr(self, name)}
        for name in TIMES:
            moment = getattr(self, name)
            if moment:
                given[name] = moment.isoformat()
        for name in COSTS:
            amount = getattr(self, name)
            if amount is not None:
                given[name] = str(amount)
        if self.text:
            given["text"] = self.text
        if self.subagents is not None:
            given["subagents"] = self.subagents
        return given

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "MessageFilter":
        """Raises ``BadInput`` naming the field that is unknown or of the wrong kind."""
        known = {field.name for field in fields(cls)}
        for name in given:
            if name not in known:
                raise BadInput(
                    f"There is no filter {name!r}.", hint=f"Known are: {', '.join(sorted(known))}."
                )
        read: dict[str, Any] = {name: _texts(name, given.get(name, [])) for name in LISTS}
        read |= {name: _time(name, given.get(name)) for name in TIMES}
        read |= {name: _cost(name, given.get(name)) for name in COSTS}
        made = cls(**read, text=_text(given.get("text", "")), subagents=_subagents(given.get("subagents")))
        _refuse_impossible(made)
        made.to_query()
        return made


def _refuse_impossible(made: MessageFilter) -> None:
    if made.since and made.until and made.since >= made.until:
        raise BadInput("since must be before until.", hint="Swap the two times.")
    if made.min_cost is not None and made.max_cost is not None and made.min_cost > made.max_cost:
        raise BadInput("min_cost must not be above max_cost.", hint="Swap the two amounts.")


def _range(since: datetime | None, until: datetime | None) -> Query:
    return {**({"$gte": since} if since else {}), **({"$lt": until} if until else {})}


def _calls(tools: Sequence[str]) -> list[Query]:
    """Messages that call any of these tools, as Claude's blocks say it, or ChatGPT by whom it speaks to."""
    wanted = {"$in": list(tools)}
    call = {"$elemMatch": {"type": {"$in": list(CALLS)}, "name": wanted}}
    spoken_to: Query = {
        "source": {"$eq": "chatgpt"},
        "record.message.author.role": {"$ne": "tool"},
        "record.message.recipient": wanted,
    }
    return [*({place: call} for place in CONTENTS), spoken_to]


def literal_pattern(text: str) -> str:
    """The regular expression of the text itself, as it is stored: halves of characters are question marks."""
    return re.escape(text.encode("utf-8", "replace").decode()).replace("\0", r"\x00")


def object_id(text: str) -> ObjectId:
    """The id that a text stands for. Raises ``BadInput``."""
    try:
        return ObjectId(text)
    except InvalidId as error:
        raise BadInput(f"{text!r} is no project id.", hint="Take an id from the list of projects.") from error


def _texts(name: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(map(_is_text, values)):
        raise BadInput(f"{name} must be a list of texts.", hint=f'For example {{"{name}": ["…"]}}.')
    return tuple(values)


def _is_text(value: Any) -> bool:
    """Whether it is a text that can be stored at all: halves of characters cannot."""
    return isinstance(value, str) and value == value.encode("utf-8", "replace").decode()


def _text(value: Any) -> str:
    if not _is_text(value) or len(value) > LONGEST_TEXT:
        raise BadInput(f"text must be a text of at most {LONGEST_TEXT} characters.", hint="Give less of it.")
    return str(value)


def _subagents(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise BadInput("subagents must be true, false or null.", hint="Leave it out for both.")
    return value


def _cost(name: str, value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(value) if isinstance(value, (str, Decimal)) else None
    except InvalidOperation:
        amount = None
    if amount is None or not is_cost(amount):
        raise BadInput(f"{name} is no amount: {str(value)[:60]!r}.", hint='Write it like "0.25".')
    return amount


def is_cost(amount: Decimal) -> bool:
    """Whether it is an amount of US dollars that can be compared with: finite, not negative, exact."""
    if not amount.is_finite() or amount.is_signed() or amount > MOST_DOLLARS:
        return False
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MOST_PLACES


def _time(name: str, value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadInput(
            f"{name} is no time: {value!r}.", hint="Write it like 2026-01-31 or 2026-01-31T12:00Z."
        ) from error
