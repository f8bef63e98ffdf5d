"""What a form can offer to choose from: values there are, bounded in number and in time."""

from collections.abc import Iterable

from archive import connection
from archive.collections import KEYS, MESSAGES, SESSIONS
from archive.connection import Document
from archive.errors import TooSlow

OF_SESSIONS = {"sources": "source", "models": "models", "tags": "tags", "branches": "gitBranch"}
OF_MESSAGES = {"types": "type", "roles": "role"}
MOST_OFFERED = 300
LOOKED_AT = 2000
MAX_SECONDS = 1.0


def known_values() -> dict[str, list[str]]:
    """Sources, models, tags and branches of all sessions; types and roles of the messages that came first
    and of those that are latest. Each sorted, at most ``MOST_OFFERED``.

    None of a kind that is not found within ``MAX_SECONDS``: those who ask offer values, and take others.
    """
    found = {name: _in_time(SESSIONS, [], field) for name, field in OF_SESSIONS.items()}
    return found | {name: _of_messages(field) for name, field in OF_MESSAGES.items()}


def _of_messages(field: str) -> list[str]:
    """Of hot messages and of the keys of all others: what comes in meanwhile is not looked for."""
    found: set[str] = set()
    for name in (MESSAGES, KEYS):
        found.update(_in_time(name, _some(name), field))
    return sorted(found)[:MOST_OFFERED]


def _some(name: str) -> list[Document]:
    """Messages without a time are among the first ones: an index in order of time has them last."""
    latest: list[Document] = [{"$sort": {"timestamp": -1}}, {"$limit": LOOKED_AT}]
    return [{"$limit": LOOKED_AT}, {"$unionWith": {"coll": name, "pipeline": latest}}]


def _in_time(name: str, stages: Iterable[Document], field: str) -> list[str]:
    wanted: list[Document] = [
        *stages,
        {"$unwind": f"${field}"},
        {"$match": {field: {"$type": "string", "$ne": ""}}},
        {"$group": {"_id": f"${field}"}},
        {"$sort": {"_id": 1}},
        {"$limit": MOST_OFFERED},
    ]
    try:
        with connection.translated(), connection.within(MAX_SECONDS):
            return [each["_id"] for each in connection.collection(name).aggregate(wanted)]
    except TooSlow:
        return []
