"""Sessions as rows of the list and as the head of their page."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse

from browse.forms import SOURCES

UNTITLED = "Untitled conversation"
SOURCE_LABELS = dict(SOURCES)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What the list says of one session; ``place`` is its project and its source in one line."""

    id: str
    url: str
    title: str
    project: str
    project_id: str
    source: str
    place: str
    started: datetime | None
    ended: datetime | None
    messages: int
    tokens: int
    cost: Decimal
    unpriced: int
    models: tuple[str, ...]


def session_url(session_id: str) -> str:
    return reverse("browse:session_detail", args=[session_id])


def session_row(session: Mapping[str, Any], projects: Mapping[str, str]) -> SessionRow:
    """One stored session; ``projects`` names the projects by their id."""
    project_id = str(session.get("projectId") or "")
    project = projects.get(project_id, "")
    source = str(session.get("source") or "")
    label = SOURCE_LABELS.get(source, source)
    if project.casefold() == label.casefold():
        project = label
    return SessionRow(
        id=session["sessionId"],
        url=session_url(session["sessionId"]),
        title=session.get("title") or UNTITLED,
        project=project,
        project_id=project_id,
        source=label,
        place=" · ".join(dict.fromkeys(each for each in (project, label) if each)),
        started=session.get("startedAt"),
        ended=session.get("endedAt"),
        messages=session.get("messageCount") or 0,
        tokens=sum(token_counts(session).values()),
        cost=session.get("totalCost") or Decimal(0),
        unpriced=session.get("unpricedCalls") or 0,
        models=tuple(session.get("models") or ()),
    )


def token_counts(session: Mapping[str, Any]) -> dict[str, int]:
    """The session's tokens, by what was done with them."""
    fields = {
        "input": "inputTokens",
        "output": "outputTokens",
        "cache read": "cacheReadTokens",
        "cache write": "cacheWriteTokens",
    }
    return {name: session.get(field) or 0 for name, field in fields.items()}


def project_names(projects: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Names by id; the path where two projects share a name."""
    listed = list(projects)
    times = Counter(project.get("name") for project in listed)
    return {
        str(project["_id"]): _name(project, is_shared=times[project.get("name")] > 1) for project in listed
    }


def _name(project: Mapping[str, Any], *, is_shared: bool) -> str:
    path, name = str(project.get("path") or ""), str(project.get("name") or "")
    return (path or name) if is_shared else (name or path)
