"""The verbs of an export: create, run, cancel, retry. Every door calls these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from archive import call_reader, offers, reader, sessions
from archive.errors import Conflict
from archive.filters import MessageFilter
from exports import limits, running
from exports.building import Order
from exports.choices import Choices, build_choices
from exports.deliveries import Folder, refuse_occupied
from exports.estimates import require_room_for
from exports.filters import FIELDS, BadFilter, asked_of, check_filter, resolve
from exports.models import ExportJob, Schedule, artifact_folder
from exports.part_files import WrittenFile
from exports.renderers import RENDERERS
from exports.renderers.base import Renderer, refuse_choices
from exports.splitting import refuse_split
from jobs import runner
from jobs.reporters import Reporter

COUNT_SECONDS = 10.0
SUBJECT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Due:
    """What makes an export by itself: the schedule, and the slot that it is for (None: a person asked)."""

    schedule: Schedule
    slot: datetime | None


def find_renderer(name: object) -> Renderer:
    """The format of that name. Raises BadFilter naming those there are."""
    renderer = RENDERERS.get(name) if isinstance(name, str) else None
    if renderer is None:
        raise BadFilter(
            "format",
            f"{str(name)[:60]!r} is not an export format.",
            hint=f"Formats: {', '.join(RENDERERS)}.",
        )
    return renderer


def store_filter(asked: Mapping[str, object]) -> dict[str, Any]:
    """The filter that was asked for as a job stores it, with projects found by id, path or name.

    Raises BadInput naming the field that is wrong.
    """
    stored = check_filter(asked)
    if "project_ids" in stored:
        known = sessions.list_projects()
        stored["project_ids"] = [_project_id(text, known) for text in stored["project_ids"]]
    return stored


def understand_filter(asked: Mapping[str, object], at: datetime | None = None) -> MessageFilter:
    """The messages that were asked for, as of ``at`` (None: now). Raises as ``store_filter``."""
    return resolve(store_filter(asked), at or timezone.now())


def filter_of(job: ExportJob) -> MessageFilter:
    """The messages that a job exports, however late and often it runs: last week is the one before the slot
    of its schedule, or before it was asked for."""
    return resolve(job.filter, job.slot or job.created_at)


def understand_choices(renderer: Renderer, asked: Mapping[str, object]) -> Choices:
    """The choices that were asked for. Raises BadFilter naming one that is wrong, or means nothing here."""
    made = build_choices(asked)
    refuse_choices(renderer, made)
    refuse_split(renderer, made)
    return made


def understand(
    name: object, asked: Mapping[str, object], choices: Mapping[str, object]
) -> tuple[Renderer, MessageFilter, Choices]:
    """The export of that format that was asked for, as of now. Raises BadInput naming what is wrong."""
    renderer, stored = find_renderer(name), store_filter(asked)
    made = understand_choices(renderer, choices)
    _refuse_filter_of_messages(made.rows, stored)
    return renderer, resolve(stored, timezone.now()), made


def _refuse_filter_of_messages(rows: str, stored: Mapping[str, Any]) -> None:
    """Raise BadFilter where rows of API responses are chosen by what only messages have."""
    unknown = call_reader.unknown_parts(resolve(stored, timezone.now())) if rows == "api_calls" else []
    for word, (part, _) in FIELDS.items():
        if part in unknown:
            hint = "They are known by project, session, model, time, tag and cost. Leave it out."
            raise BadFilter(word, "API responses cannot be chosen by it.", hint=hint)


def _project_id(text: str, known: Sequence[Mapping[str, Any]]) -> str:
    for field in ("_id", "path", "name"):
        found = [project for project in known if str(project.get(field, "")) == text]
        if len(found) == 1:
            return str(found[0]["_id"])
        if found:
            raise BadFilter("project", f"{len(found)} projects are called {text!r}.", hint="Give the id.")
    raise BadFilter(
        "project",
        f"there is no project {text[:60]!r}.",
        hint="Give the id, path or name of a project in the archive.",
    )


def create_export(
    owner: Any,
    *,
    format: str,  # noqa: A002  (the word of the API)
    asked: Mapping[str, object],
    choices: Mapping[str, object] | None = None,
    parameters: Mapping[str, Any] | None = None,
    due: Due | None = None,
) -> ExportJob:
    """Make a job that builds the export, and send it on its way; ``due`` says for which schedule.

    Raises BadInput naming the field that is wrong, OutOfSpace when it would not fit on the disk or the
    owner's quota is full, TooMany when the owner has as many exports made as is allowed.
    """
    renderer = find_renderer(format)
    stored = store_filter(asked)
    made = understand_choices(renderer, choices or {})
    _refuse_filter_of_messages(made.rows, stored)
    job = ExportJob(owner=owner, format=renderer.name, filter=stored, choices=made.to_dict())
    job.subject = _subject(job.filter)
    job.parameters = dict(parameters or {})
    if due is not None:
        job.schedule, job.slot = due.schedule, due.slot
    if "output" not in job.parameters:
        require_room_for(artifact_folder(), renderer, resolve(stored, timezone.now()), made)
    with transaction.atomic():
        if "output" not in job.parameters:
            limits.check_export(owner)
        job.save(force_insert=True)
        runner.enqueue(job)
    return job


def _subject(stored: Mapping[str, Any]) -> str:
    words = ", ".join(f"{word} {values}" for word, values in filter_in_words(stored))
    words = words if len(words) <= SUBJECT_LENGTH else words[: SUBJECT_LENGTH - 1] + "…"
    return words[:1].upper() + words[1:]


def choose_output(
    name: str, output: Path, *, force: bool = False, choices: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """The parameters of a job that writes to a path on this server instead of an artifact.

    Only commands call this: whoever may run them may write there anyway.
    Raises Conflict when the path is taken by something of another kind, or a folder in use; BadFilter.
    """
    output = output.absolute()
    is_split = bool(build_choices(choices or {}).split)
    as_folder = is_split or ("files" in find_renderer(name).needs and output.suffix.lower() != ".zip")
    if as_folder:
        refuse_occupied(Folder(output, force))
    elif output.is_dir():
        raise Conflict(f"{output} is a folder.", hint="Name a file in it.", code="output_is_a_folder")
    return {"output": str(output), "folder": as_folder, "force": force}


def run_export(job: ExportJob, reporter: Reporter | None = None) -> list[WrittenFile]:
    """Build the export and return its files, paths relative to where they go. Safe to repeat.

    A run that was killed starts again from nothing: an export is read in one pass, and neither half a file
    nor some of its parts are ever seen. Raises NotClaimed when somebody else holds the job or it has ended.
    """
    written: list[WrittenFile] = []
    with runner.running(job, reporter) as progress:
        order = Order(
            find_renderer(job.format),
            build_choices(job.choices),
            filter_of(job),
            settings.CLAUDELENS_EXPORT_PROCESSES,
        )
        written += running.deliver(job, order, progress)
    return written


def cancel_export(job: ExportJob) -> None:
    """Ask the job to stop; nothing of it stays. Raises Conflict when it has ended already."""
    runner.request_cancel(job)


def retry_export(job: ExportJob) -> None:
    """Build a failed, errored or cancelled export anew.

    Raises Conflict when it is no such job, TooMany or OutOfSpace when its owner has enough of them.
    """
    with transaction.atomic():
        if "output" not in job.parameters:
            limits.check_again(job.owner)
        runner.retry(job)


def describe_formats() -> list[dict[str, Any]]:
    """Every format, with what it is and what it loses."""
    return [renderer.as_dict() for renderer in RENDERERS.values()]


def count_matching(asked: Mapping[str, object]) -> int:
    """How many messages the filter lets through now.

    Raises BadInput naming the wrong field, TooSlow where a person would have to wait too long.
    """
    return reader.count_messages(understand_filter(asked), max_seconds=COUNT_SECONDS)


def matches_anything(asked: Mapping[str, object], at: datetime) -> bool:
    """Whether the filter lets any message through, as of ``at``. Raises BadInput naming the wrong field."""
    return reader.has_messages(understand_filter(asked, at))


def filter_in_words(stored: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a stored filter lets through, as (word, values) for people; projects by their paths."""
    asked = asked_of(stored)
    if "project" in asked:
        paths = {str(project["_id"]): project["path"] for project in sessions.list_projects()}
        asked["project"] = [paths.get(each, each) for each in asked["project"]]
    return [(word, ", ".join(value) if isinstance(value, list) else value) for word, value in asked.items()]


def filter_choices() -> dict[str, list[dict[str, str]]]:
    """What a form offers: the projects, sources, models, tags, branches, types and roles that are in the
    archive. At most some hundred of each, and none where finding them would keep a person waiting: every
    other value can be written."""
    projects = [
        {"value": str(project["_id"]), "label": str(project.get("path") or project["_id"])}
        for project in sessions.list_projects()
    ]
    return {"projects": sorted(projects, key=lambda choice: choice["label"])} | {
        name: [{"value": value, "label": value} for value in values]
        for name, values in offers.known_values().items()
    }
