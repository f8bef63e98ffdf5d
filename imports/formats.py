"""Every source format there is, and finding out which one a file has. Pure.

A new format is one module in ``imports/readers`` and one line here. The order is the order in which they are
asked: who is asked first knows its files for certain, the general ones come last.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from archive.errors import BadInput
from archive.records import Record, Rejected
from imports.naming import is_side_file
from imports.normalise import message_of, start_context
from imports.readers import (
    chatgpt,
    claude_ai,
    claude_ai_side,
    claude_code,
    claude_web,
    claudelens_csv,
    claudelens_database,
    claudelens_json,
    claudelens_lines,
    claudelens_markdown,
    claudelens_table,
    generic,
    side_files,
)
from imports.readers.base import SAMPLE_BYTES, Bytes, Format, Match, Sample
from imports.readers.lines import read_records
from imports.readers.sources import Entry


def _read_lines(given: Bytes) -> Iterator[Record | Rejected]:
    return read_records(given.stream, given.file_id, given.cursor, given.max_record)


CLAUDE_CODE = Format(
    name=claude_code.NAME,
    label="Claude Code transcript",
    description="The .jsonl files under ~/.claude: conversations, subagents, workflow journals, history; "
    "also what `claude -p --output-format stream-json` prints.",
    source=claude_code.NAME,
    detect=claude_code.match,
    records=_read_lines,
    message=message_of,
    start=lambda sample, match: start_context(
        sample.tree_path or sample.inside.rsplit("/", 1)[-1],
        match.facts["sessionId"],
        match.facts["cwd"],
    ),
)
FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        side_files.FORMAT,
        claudelens_lines.FORMAT,
        claudelens_json.FORMAT,
        claudelens_json.CLASSIC,
        claudelens_csv.FORMAT,
        claudelens_table.FORMAT,
        claudelens_markdown.FORMAT,
        claudelens_database.FORMAT,
        claude_web.FORMAT,
        claude_ai.FORMAT,
        claude_ai_side.FORMAT,
        chatgpt.FORMAT,
        CLAUDE_CODE,
        *generic.GENERIC,
    )
}
BY_LINES = (side_files.FORMAT, claudelens_lines.FORMAT, CLAUDE_CODE)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a person wants files to be read: as this format ("": by their content), and with these columns
    where a format has any (a field of a message: the column that holds it). ``is_lone``: it is one file that
    was chosen by itself, not one of many."""

    format: str = ""
    mapping: dict[str, Any] = field(default_factory=dict)
    is_lone: bool = True

    def among(self, count: int) -> "Choice":
        """The choice for each of so many files."""
        return replace(self, is_lone=count == 1)


AS_FOUND = Choice()


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file is: its format, why, and the beginning that told it."""

    format: Format
    match: Match
    sample: Sample


def detect(entry: Entry, choice: Choice = AS_FOUND) -> Detected:
    """Find out the format of a file by its content, unless somebody chose one.

    Reads the first MiB, more only of long first lines. Raises ``BadInput`` when it has none, or cannot be
    read as the one that was chosen.
    """
    sample = sample_of(entry)
    _refuse_what_no_format_is(sample)
    for form in _asked(sample, choice):
        if form.needs_mapping and not choice.format:
            continue
        match = form.detect(sample)
        if match is not None:
            return Detected(form, _settled(form, match, choice), sample)
    if choice.format not in ("", CLAUDE_CODE.name):
        raise BadInput(
            f"{entry.name} cannot be read as {get_format(choice.format).label}.",
            code="other_format",
            hint="Let the format be found out, or choose another one.",
        )
    try:
        return _by_its_lines(entry, sample)
    except BadInput as refusal:
        return _by_its_columns(sample, choice, refusal)


def _asked(sample: Sample, choice: Choice) -> Iterable[Format]:
    """The formats that are asked. Most files are transcripts: where the first line says so, no document is
    looked for."""
    if choice.format:
        return [get_format(choice.format)]
    line = sample.first_line
    return BY_LINES if line is not None and claude_code.is_own(line) else FORMATS.values()


def _settled(form: Format, match: Match, choice: Choice) -> Match:
    return generic.settled(match, choice.mapping, is_chosen=True) if form.needs_mapping else match


def _by_its_columns(sample: Sample, choice: Choice, refusal: BadInput) -> Detected:
    """A table or another list of objects, if somebody said what it holds, or it was given by itself and is
    plainly a conversation: a folder has many files that are none. Else the refusal."""
    is_asked = not choice.format and (choice.mapping or choice.is_lone)
    for form in generic.GENERIC if is_asked else ():
        match = form.detect(sample)
        if match is not None and (choice.mapping or len(match.facts["columns"]) > 1):
            try:
                return Detected(form, generic.settled(match, choice.mapping), sample)
            except BadInput as error:
                refusal = generic.refused(refusal, error)
    raise refusal


def _by_its_lines(entry: Entry, sample: Sample) -> Detected:
    """A transcript whose first lines are longer than the sample; or the refusal that says what it is."""
    stream = entry.open()
    try:
        head = claude_code.detect(stream, entry.name)
    finally:
        stream.close()
    return Detected(CLAUDE_CODE, claude_code.match_of(head), sample)


def sample_of(entry: Entry) -> Sample:
    """The beginning of a file. Raises ``BadInput`` when it cannot be read."""
    stream = entry.open()
    try:
        data = stream.read(SAMPLE_BYTES)
        is_whole = len(data) < SAMPLE_BYTES or not stream.read(1)
    finally:
        stream.close()
    return Sample(entry.name, entry.inside or entry.name, entry.tree_path, data, is_whole)


def _refuse_what_no_format_is(sample: Sample) -> None:
    if is_side_file(sample.tree_path) and sample.data:
        return  # it may be anything
    if sample.is_whole and not sample.text:
        raise claude_code.empty(sample.name)
    claude_code.refuse_other_kinds(sample.data, sample.name)
    claudelens_markdown.refuse_classic(sample)


def get_format(name: str) -> Format:
    """The format of this name. Raises ``BadInput`` naming those that there are."""
    if name not in FORMATS:
        raise BadInput(
            f"There is no format {name!r}.", hint=f"Formats are: {', '.join(FORMATS)}.", code="unknown_format"
        )
    return FORMATS[name]
