"""One run of an export: counted, built where it is to be, remembered, and told about."""

from __future__ import annotations

from pathlib import Path

from archive import call_reader, files, reader
from exports import artifacts
from exports.building import Attempt, Order, build
from exports.deliveries import Folder, write_parts, write_tree
from exports.estimates import LARGEST_FORM, estimate
from exports.material import ArchiveMaterial
from exports.models import ExportJob, artifact_folder
from exports.part_files import WrittenFile, has_room, nearest_folder, remove_parts, require_room
from exports.shaping import shaped, told_changes
from exports.tallies import Tally, Together
from jobs.progress import Progress

LOGGED_NOTES = 100


def deliver(job: ExportJob, order: Order, progress: Progress) -> list[WrittenFile]:
    """Build the export where its job says, and return its files, paths relative to where they are.

    Raises OutOfSpace, having written nothing, where it would not fit.
    """
    attempt = Attempt(str(job.pk), progress.token)
    _announce(order, progress)
    if "output" in job.parameters:
        written, tally = _deliver_to_path(job, order, attempt, progress)
    else:
        written, tally = _deliver_artifacts(job, order, attempt, progress)
    _conclude(progress, tally)
    return written


def _announce(order: Order, progress: Progress) -> None:
    """Count first, so that there is a percentage and an estimate from the beginning."""
    progress.phase("counting")
    if "files" in order.renderer.needs:
        total = sum(file.size for file in files.find_files(order.filter, kept=True))
        progress.phase("writing", bytes_total=total)
    else:
        calls = order.renderer.rows_of(order.choices) == "api_calls"
        count = call_reader.count_calls if calls else reader.count_messages
        progress.phase("writing", records_total=count(order.filter))


def _require_room(order: Order, folder: Path, progress: Progress) -> None:
    """Refuse what would not fit; a closer look is taken only where it could be so."""
    most = (progress.job.bytes_total or 0) + (progress.job.records_total or 0) * reader.average_bytes()
    if not has_room(folder, most * LARGEST_FORM):
        require_room(folder, estimate(order.renderer, order.filter, order.choices).bytes)


def _deliver_artifacts(
    job: ExportJob, order: Order, attempt: Attempt, progress: Progress
) -> tuple[list[WrittenFile], Tally]:
    folder = artifact_folder()
    remove_parts(folder, attempt.job_id)
    artifacts.remove_earlier(job, attempt.token)
    _require_room(order, folder, progress)
    name = f"{attempt.mark}{{}}{order.extension}"
    built = build(
        order,
        lambda part: folder / name.format(f".{part.number:04}" if part.label else ""),
        attempt,
        progress.advance,
    )
    kept = artifacts.keep_artifacts(job, attempt.token, order, built)
    return [WrittenFile(Path(each.filename), each.bytes, each.sha256) for each in kept], built.total


def _deliver_to_path(
    job: ExportJob, order: Order, attempt: Attempt, progress: Progress
) -> tuple[list[WrittenFile], Tally]:
    """Write where the command was told to; a worker that takes the job over writes there too."""
    output = Path(job.parameters["output"])
    folder = Folder(output, bool(job.parameters.get("force")))
    if job.parameters.get("folder") and not order.choices.split:
        return _deliver_tree(order, folder, attempt, progress)
    _require_room(order, nearest_folder(output.parent), progress)
    if order.choices.split:
        built = write_parts(order, folder, attempt, progress.advance)
    else:
        remove_parts(output.parent, attempt.job_id)
        built = build(order, lambda part: output, attempt, progress.advance)
    files_ = [part.file for part in built.parts]
    return [WrittenFile(Path(each.path.name), each.bytes, each.sha256) for each in files_], built.total


def _deliver_tree(
    order: Order, folder: Folder, attempt: Attempt, progress: Progress
) -> tuple[list[WrittenFile], Tally]:
    material = ArchiveMaterial(order.filter)
    whole = shaped(material, order.choices)
    return write_tree(whole, folder, attempt, lambda: progress.advance(Together([material]))), material


def _conclude(progress: Progress, tally: Tally) -> None:
    """Say what is unusual about the result; damage makes it a completion with errors."""
    if tally.is_empty:
        progress.log("warning", "Nothing in the archive matches: the export is empty.")
    if tally.changes.count:
        progress.log("info", told_changes(tally.changes))
    for note in tally.notes.first[:LOGGED_NOTES]:
        progress.log("info", note)
    for file in tally.damaged.first[:LOGGED_NOTES]:
        progress.log("error", f"{file['path']} did not come out as it went in (see the manifest).")
    if tally.damaged.total:
        progress.finish_with_errors()
