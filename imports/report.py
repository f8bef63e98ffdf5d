"""What an import would bring and what it brought, in plain words. Reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imports.formats import FORMATS
from imports.forms import WORDS
from imports.models import ImportJob
from imports.options import KEEP_GOOD, defaults
from imports.outcomes import SHOWN_PER_CAUSE, Cause
from imports.preview import Preview
from imports.readers.mapping import column_of
from jobs.states import DONE, JobState
from jobs.wording import human_count, human_seconds

OUTCOMES = (
    ("inserted", "new", "would be new"),
    ("duplicates", "held already", "held already"),
    ("updated", "taken in the place of another", "would take the place of another"),
    ("skipped", "set aside for the one that is there", "would be set aside for the one that is there"),
    ("rejected", "rejected", "would be rejected"),
)
COUNT_WORDS = {
    "seen": "Records",
    "inserted": "New",
    "duplicates": "Held",
    "updated": "Replaced",
    "skipped": "Set aside",
    "conflicts": "Conflicts",
    "rejected": "Rejected",
}
ALWAYS_SHOWN = ("seen", "inserted", "duplicates", "rejected")
LONG_TEXT, LONG_LINES, BRIEF = 800, 12, 160


@dataclass(frozen=True)
class Report:
    """The end of an import: what became of its records in sentences, the options it had (name and value), and
    where it differs from its dry run (None where there was none)."""

    sentences: list[str]
    options: list[tuple[str, str]]
    differences: list[dict[str, Any]] | None


def report_of(job: ImportJob) -> Report:
    """What can be told of an import so far; sentences once it has ended."""
    told = _ending(job) if job.is_finished else []
    return Report(told, options_in_words(job.parameters.get("options", {})), _differences(job))


def _ending(job: ImportJob) -> list[str]:
    if job.state == JobState.ROLLED_BACK:
        return ["It was undone: nothing of this import is in the archive."]
    if job.state in DONE:
        return _sentences(job)
    if job.is_dry_run or not job.counts.get("seen"):
        return []
    return [*_sentences(job), "It did not come to its end; what was taken in until then is in the archive."]


def _differences(job: ImportJob) -> list[dict[str, Any]] | None:
    found = job.parameters.get("differences")
    if found is None:
        return None
    return [each | {"label": COUNT_WORDS.get(each["name"], each["name"])} for each in found]


def _sentences(job: ImportJob) -> list[str]:
    counts, files = job.counts, sum(source.get("files", 1) for source in job.sources)
    read = f"{_some(counts.get('seen', 0), 'record')} in {_some(files, 'file')}"
    if job.started_at and job.finished_at:
        read += f", read in {human_seconds(job.finished_at - job.started_at)}"
    told = [f"{read}: {_outcomes(counts, is_dry=job.is_dry_run)}."]
    if conflicts := counts.get("conflicts", 0):
        same = "the same message of a conversation with other content"
        told.append(f"{_some(conflicts, 'conflict')}: {same}.")
    if job.refused_files:
        told.append(f"{_some(job.refused_files, 'refused file')}: the reasons stand in the list of files.")
    return told


def _outcomes(counts: Mapping[str, int], *, is_dry: bool) -> str:
    """``{"inserted": 4, "rejected": 1}`` -> ``4 new, 1 rejected``; the new ones are told always."""
    return ", ".join(
        f"{human_count(counts.get(name, 0))} {planned if is_dry else done}"
        for name, done, planned in OUTCOMES
        if counts.get(name) or name == "inserted"
    )


def _some(number: int, noun: str) -> str:
    """``1 file``, ``3 files``."""
    return f"{human_count(number)} {noun}{'' if number == 1 else 's'}"


def options_in_words(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each option that matters with its value, as the pages call them."""
    options = defaults() | dict(given)
    form = options["format"]
    told = [("Format", FORMATS[form].label if form in FORMATS else "by content")]
    if options["mapping"]:
        told.append(
            ("Columns", ", ".join(f"{name}: {column_of(spec)}" for name, spec in options["mapping"].items()))
        )
    told += [("Conflicts", WORDS[options["conflict"]].lower()), ("Mode", WORDS[options["mode"]].lower())]
    if options["mode"] == KEEP_GOOD:
        most = f"{human_count(options['max_errors'])} records, or {options['reject_percent']:g} %"
        told.append(("Rejected at most", most))
    return told


def count_columns(job: ImportJob, files: list[dict[str, Any]]) -> list[str]:
    """The counts that the table of an import's files has columns for, as people call them; each of the files
    gets its ``numbers`` in that order."""
    shown = [name for name in COUNT_WORDS if name in ALWAYS_SHOWN or job.counts.get(name)]
    for file in files:
        file["numbers"] = [(COUNT_WORDS[name], file["counts"].get(name)) for name in shown]
    return [COUNT_WORDS[name] for name in shown]


def causes_of(found: Preview) -> list[Cause]:
    """Why records cannot be read, over all files that were looked at, commonest first."""
    causes: dict[str, Cause] = {}
    for file in found.files:
        for problem in file.problems:
            cause = causes.setdefault(problem.code, Cause(problem.code, 0, problem.hint))
            cause.count += problem.count
            cause.records += [each | {"file": file.name} for each in problem.records]
    for cause in causes.values():
        del cause.records[SHOWN_PER_CAUSE:]
    return sorted(causes.values(), key=lambda cause: -cause.count)


def messages_of(found: Preview) -> list[dict[str, Any]]:
    """The first messages; long ones with the ``brief`` that stands for them."""
    return [message | {"brief": _brief(message["text"])} for message in found.messages]


def _brief(text: str) -> str:
    """The beginning of a long text on one line; "" for a short one."""
    is_long = len(text) > LONG_TEXT or text.count("\n") >= LONG_LINES
    return " ".join(text[: 2 * BRIEF].split())[:BRIEF] if is_long else ""
