"""The verbs of an export: create, run, cancel, retry. Every door calls these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from archive import files, reader, sessions
from archive.errors import Conflict
from archive.filters import MessageFilter
from exports import artifacts
from exports.deliveries import Attempt, Tick, refuse_occupied, write_file, write_folder
from exports.filters import FIELDS, BadFilter, build_filter
from exports.material import ArchiveMaterial
from exports.models import ExportJob, artifact_folder
from exports.part_files import WrittenFile, require_room
from exports.renderers import RENDERERS
from exports.renderers.base import Renderer
from jobs import runner
from jobs.progress import Progress
from jobs.reporters import Reporter

LOGGED_NOTES = 100
SUBJECT_LENGTH = 200


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


def understand_filter(asked: Mapping[str, object]) -> MessageFilter:
    """The filter that was asked for, with projects found by id, path or name.

    Raises BadInput naming the field that is wrong.
    """
    wanted = build_filter(asked)
    if not wanted.project_ids:
        return wanted
    return MessageFilter.from_dict(
        wanted.to_dict() | {"project_ids": [_project_id(text) for text in wanted.project_ids]}
    )


def _project_id(text: str) -> str:
    known = sessions.list_projects()
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
    parameters: Mapping[str, Any] | None = None,
) -> ExportJob:
    """Make a job that builds the export, and send it on its way.

    Raises BadInput naming the field that is wrong, OutOfSpace when nothing could be written.
    """
    renderer = find_renderer(format)
    wanted = understand_filter(asked)
    job = ExportJob(owner=owner, format=renderer.name, filter=wanted.to_dict())
    job.subject = _subject(job.filter)
    job.parameters = dict(parameters or {})
    if "output" not in job.parameters:
        artifact_folder().mkdir(parents=True, exist_ok=True)
        require_room(artifact_folder())
    with transaction.atomic():
        job.save(force_insert=True)
        runner.enqueue(job)
    return job


def _subject(stored: Mapping[str, Any]) -> str:
    words = ", ".join(f"{word} {values}" for word, values in filter_in_words(stored))
    words = words if len(words) <= SUBJECT_LENGTH else words[: SUBJECT_LENGTH - 1] + "…"
    return words[:1].upper() + words[1:]


def choose_output(name: str, output: Path, *, force: bool = False) -> dict[str, Any]:
    """The parameters of a job that writes to a path on this server instead of an artifact.

    Only commands call this: whoever may run them may write there anyway.
    Raises Conflict when the path is taken by something of another kind, or a folder in use.
    """
    output = output.absolute()
    as_folder = "files" in find_renderer(name).needs and output.suffix.lower() != ".zip"
    if as_folder:
        refuse_occupied(output, force=force)
    elif output.is_dir():
        raise Conflict(f"{output} is a folder.", hint="Name a file in it.", code="output_is_a_folder")
    return {"output": str(output), "folder": as_folder, "force": force}


def run_export(job: ExportJob, reporter: Reporter | None = None) -> list[WrittenFile]:
    """Build the export and return its files, paths relative to where it goes. Safe to repeat.

    A run that was killed starts again from nothing: an export is read in one pass, and half a file
    is never seen. Raises NotClaimed when somebody else holds the job or it has ended.
    """
    written: list[WrittenFile] = []
    with runner.running(job, reporter) as progress:
        renderer = find_renderer(job.format)
        material = ArchiveMaterial(MessageFilter.from_dict(job.filter))
        _announce_totals(progress, renderer, material)
        written += _deliver(job, renderer, material, progress)
        _conclude(progress, material)
    return written


def _announce_totals(progress: Progress, renderer: Renderer, material: ArchiveMaterial) -> None:
    """Count first, so that there is a percentage and an estimate from the beginning."""
    progress.phase("counting")
    if "files" in renderer.needs:
        total = sum(file.size for file in files.find_files(material.filter, kept=True))
        progress.phase(material.phase, bytes_total=total)
    else:
        total = reader.count_messages(material.filter)
        progress.phase(material.phase, records_total=total)


def _deliver(
    job: ExportJob, renderer: Renderer, material: ArchiveMaterial, progress: Progress
) -> list[WrittenFile]:
    attempt = Attempt(str(job.pk), progress.token)

    def tick() -> None:
        progress.advance(material)

    if "output" in job.parameters:
        return _deliver_to_path(job, renderer, material, attempt, tick)
    final = artifacts.storage_path(job, progress.token, renderer)
    require_room(artifact_folder())
    written = write_file(renderer, material, final, attempt, tick)
    artifact = artifacts.keep_artifact(job, progress.token, written, material)
    return [WrittenFile(Path(artifact.filename), written.bytes, written.sha256)]


def _deliver_to_path(
    job: ExportJob, renderer: Renderer, material: ArchiveMaterial, attempt: Attempt, tick: Tick
) -> list[WrittenFile]:
    """Write where the command was told to; a worker that takes the job over writes there too."""
    output = Path(job.parameters["output"])
    if job.parameters.get("folder"):
        force = bool(job.parameters.get("force"))
        return write_folder(material, output, attempt, tick, force=force)
    written = write_file(renderer, material, output, attempt, tick)
    return [WrittenFile(Path(output.name), written.bytes, written.sha256)]


def _conclude(progress: Progress, material: ArchiveMaterial) -> None:
    """Say what is unusual about the result; damage makes it a completion with errors."""
    if material.is_empty:
        progress.log("warning", "Nothing in the archive matches: the export is empty.")
    for note in material.notes.first[:LOGGED_NOTES]:
        progress.log("info", note)
    for file in material.damaged.first[:LOGGED_NOTES]:
        progress.log("error", f"{file['path']} did not come out as it went in (see the manifest).")
    if material.damaged.total:
        progress.finish_with_errors()


def cancel_export(job: ExportJob) -> None:
    """Ask the job to stop; nothing of it stays. Raises Conflict when it has ended already."""
    runner.request_cancel(job)


def retry_export(job: ExportJob) -> None:
    """Build a failed, errored or cancelled export anew. Raises Conflict when it is no such job."""
    runner.retry(job)


def describe_formats() -> list[dict[str, Any]]:
    """Every format, with what it is and what it loses."""
    return [renderer.as_dict() for renderer in RENDERERS.values()]


def count_matching(asked: Mapping[str, object]) -> int:
    """How many messages the filter lets through now. Raises BadInput naming the wrong field."""
    return reader.count_messages(understand_filter(asked))


def filter_in_words(stored: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a stored filter lets through, as (word, values) for people; projects by their paths."""
    known = {str(project["_id"]): project["path"] for project in sessions.list_projects()}
    told = []
    for word, (name, _) in FIELDS.items():
        value = stored.get(name)
        if isinstance(value, str):
            told.append((word, value.removesuffix("T00:00:00+00:00")))
        elif value:
            told.append((word, ", ".join(known.get(each, each) for each in value)))
    return told


def filter_choices() -> dict[str, list[dict[str, str]]]:
    """What a form offers: the projects, sources and models that are in the archive."""
    projects = [
        {"value": str(project["_id"]), "label": str(project.get("path") or project["_id"])}
        for project in sessions.list_projects()
    ]
    return {"projects": sorted(projects, key=lambda choice: choice["label"])} | {
        name: [{"value": value, "label": value} for value in sessions.distinct_values(name)]
        for name in ("sources", "models")
    }
