"""Which messages: a typed filter, and the MongoDB query it stands for. Pure.

Every value is compared for equality or order with ``$in``, ``$gte`` and ``$lt`` that are written here, so
nothing a person sends can act as an operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from bson.errors import InvalidId
from bson.objectid import ObjectId

from archive.errors import BadInput

Query = dict[str, Any]
LISTS = {"project_ids": "projectId", "session_ids": "sessionId", "sources": "source", "models": "model"}


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Messages of any of these projects, sessions, sources and models (empty: of all), whose time is at or
    after ``since`` and before ``until``."""

    project_ids: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def to_query(self) -> Query:
        """The query on a collection of messages. Raises ``BadInput`` for a project id that is none."""
        query: Query = {}
        for name, stored in LISTS.items():
            values = getattr(self, name)
            if values:
                query[stored] = {
                    "$in": [object_id(each) for each in values] if stored == "projectId" else list(values)
                }
        if self.since or self.until:
            query["timestamp"] = _range(self.since, self.until)
        return query

    def to_dict(self) -> dict[str, Any]:
        """The filter as JSON values; ``from_dict`` gives it back."""
        given: dict[str, Any] = {name: list(getattr(self, name)) for name in LISTS if getattr(self, name)}
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment:
                given[name] = moment.isoformat()
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
        lists = {name: _texts(name, given.get(name, [])) for name in LISTS}
        made = cls(
            **lists, since=_time("since", given.get("since")), until=_time("until", given.get("until"))
        )
        if made.since and made.until and made.since >= made.until:
            raise BadInput("since must be before until.", hint="Swap the two times.")
        made.to_query()
        return made


def _range(since: datetime | None, until: datetime | None) -> Query:
    return {**({"$gte": since} if since else {}), **({"$lt": until} if until else {})}


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
