"""Tables, JSON arrays and JSON Lines of any tool: a mapping says what their columns hold. Pure."""

import io
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from archive.errors import BadInput
from archive.money import to_decimal128
from archive.projects import Project, slug_of
from archive.records import Call, FileId, Record, Rejected, content_hash
from imports.messages import Context, Said, short_text, speaks
from imports.readers.base import SAMPLE_BYTES, Bytes, Format, Match, Sample, first_of
from imports.readers.claude_code import is_own
from imports.readers.document import ANY, HEAD, read_document
from imports.readers.lines import Cursor, read_records
from imports.readers.mapping import FIELDS, check_mapping, column_of, read_field, told_columns
from imports.readers.rows import read_rows, table_of
from imports.readers.suggesting import Suggestion, column_names_of, role_of, suggest_mapping
from imports.readers.texts import text_of, unnamed

LOOKED_AT = 100
DEEPEST_ARRAY, MOST_ARRAYS = 4, 20
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# Keys of an object that holds messages, by which it is a conversation with a name of its own.
IDS = ("uuid", "id", "conversation_id", "conversationId", "session_id", "sessionId", "chat_id", "thread_id")
TITLES = ("title", "name", "subject")
# Shorter ids are numbers within a file, and another file has the same ones.
SHORTEST_ID = 16

Framing = Callable[[Bytes], Iterator[Record | Rejected]]


def _read_lines(given: Bytes) -> Iterator[Record | Rejected]:
    return read_records(given.stream, given.file_id, given.cursor, given.max_record, given.max_depth)


# ---------------------------------------------------------------------- knowing them


def detect_rows(sample: Sample) -> Match | None:
    table = table_of(sample.data, is_whole=sample.is_whole)
    if table is None:
        return None
    records = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    count = len(table.columns)
    what = f"table of {count:,} columns, separated by {SEPARATORS[table.delimiter]}"
    suggested = suggest_mapping(table.columns, records)
    return _matched(what if count > 1 else "table of one column", suggested, table.facts)


def detect_array(sample: Sample) -> Match | None:
    """The array of objects that looks most like messages, wherever in the document it stands."""
    if sample.is_lines and b"\n{" in sample.text:
        return None
    found = [_array(sample, path) for path in islice(_arrays(sample.root, []), MOST_ARRAYS)]
    return max(found, key=_promise, default=None)


def detect_lines(sample: Sample) -> Match | None:
    if not sample.is_lines:
        return None
    records = _first_records(sample, _read_lines, {})
    return _matched("JSON Lines file", suggest_mapping(column_names_of(records), records), {})


def _arrays(value: Any, path: list[str]) -> Iterator[list[str]]:
    """The paths of all arrays of objects in a document's outline."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield [*path, ANY]
    if len(path) < DEEPEST_ARRAY:
        inner = value.items() if isinstance(value, dict) else [(ANY, each) for each in value or ()]
        for key, each in inner:
            if isinstance(each, (dict, list)):
                yield from _arrays(each, [*path, key])


def _array(sample: Sample, path: list[str]) -> Match:
    shape: dict[str, Any] = {"record": path}
    if len(path) > 1 and text_of(first_of(sample.root, *path[:-2]), *IDS, *TITLES):
        shape["head"] = path[:-2]
    records = _first_records(sample, read_document, {"shape": shape})
    place = f" under “{'.'.join(path[:-1])}”" if len(path) > 1 else ""
    suggested = suggest_mapping(column_names_of(records), records)
    # Lines of Claude Code in an array are no lines any more: nobody asked for that.
    suggested.has_roles &= not any(map(is_own, records))
    return _matched(f"JSON array of objects{place}", suggested, {"shape": shape})


def _promise(match: Match) -> tuple[bool, bool]:
    return match.facts["isChat"], "text" in match.facts["mapping"]


def _first_records(sample: Sample, framing: Framing, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The first records of a file that its sample holds whole."""

    def reopen(offset: int) -> io.BytesIO:
        stream = io.BytesIO(sample.data)
        stream.seek(offset)
        return stream

    found = framing(Bytes(reopen(0), reopen, FileId(), Cursor(), SAMPLE_BYTES, facts))
    records = (each.value for each in found if isinstance(each, Record) and each.kind != HEAD)
    return list(islice(records, LOOKED_AT))


def _matched(what: str, suggested: Suggestion, facts: dict[str, Any]) -> Match:
    found = {
        "columns": [each.name for each in suggested.columns],
        "mapping": suggested.mapping,
        "isChat": suggested.is_chat,
    }
    return Match(what, {**facts, **found})


def suggest(sample: Sample, name: str = "") -> Suggestion | None:
    """What the columns of a file probably hold, read as the format of this name ("": as the first of these
    that it has); None where it is none."""
    for form in GENERIC:
        match = form.detect(sample) if name in ("", form.name) else None
        if match is not None:
            records = _first_records(sample, form.records, match.facts)
            return suggest_mapping(match.facts["columns"], records)
    return None


def settled(match: Match, mapping: Mapping[str, Any], *, is_chosen: bool = False) -> Match:
    """The match with the mapping that its file is read by: the given one, else the suggested one.

    Raises ``BadInput`` for a mapping that does not fit, or where none could be found; and, unless somebody
    chose this format or gave a mapping, for a file that is not a conversation for certain.
    """
    facts = dict(match.facts)
    is_chat, columns = facts.pop("isChat"), facts["columns"]
    if not (mapping or is_chosen or is_chat):
        raise BadInput(
            f"It could be a {match.explanation}, but nothing plainly tells what was said, and by whom.",
            code="unknown_format",
            hint=f"Choose its format, and the column of each field. {told_columns(columns)}",
        )
    facts["mapping"] = check_mapping(mapping or facts["mapping"], columns)
    told = (f"{name} in “{column_of(spec)}”" for name, spec in facts["mapping"].items())
    how = "as was chosen" if mapping else "by their names and values"
    return Match(f"{match.explanation[0].upper()}{match.explanation[1:]}; {how}, {', '.join(told)}", facts)


def refused(unknown: BadInput, error: BadInput) -> BadInput:
    """The refusal of a file of no other format (``unknown`` says what it looks like), nor of these."""
    if error.code != unknown.code:
        return error
    return BadInput(f"{unknown.message} {error.message}", code=error.code, hint=error.hint)


# ---------------------------------------------------------------------- what they say


def starting(source: str) -> Callable[[Sample, Match], Context]:
    """The file is one conversation, called like it, where no column tells another."""

    def start(sample: Sample, match: Match) -> Context:
        name = sample.inside.rsplit(".", 1)[0].replace("/", "-") or sample.inside
        facts = {"mapping": match.facts["mapping"], "file": name, "session": name}
        return Context(name, _project(source), facts=facts)

    return start


def saying(source: str) -> Callable[[Record, Context], Said]:
    """What a record of this source says by its file's mapping."""

    def said(record: Record, context: Context) -> Said:
        if record.kind == HEAD:
            return _conversation(source, record.value, context)
        return _message(source, record.value, context)

    return said


def _conversation(source: str, value: dict[str, Any], context: Context) -> Said:
    """The object that holds the messages after it."""
    session = _session_id(text_of(value, *IDS), context) or unnamed(source, value)
    context.facts = {**context.facts, "session": session}
    title = text_of(value, *TITLES)
    named = ("custom", title) if title else None
    return Said(source, "conversation", session, _project(source), text=title, title=named)


def _message(source: str, value: dict[str, Any], context: Context) -> Said:
    mapping = context.facts["mapping"]
    told = {name: read_field(value, FIELDS[name], spec) for name, spec in mapping.items()}
    role, text, project = role_of(told.get("role", "")), told["text"], told.get("project", "")
    said = Said(
        source,
        told.get("type") or role or "message",
        _session_id(told.get("session", ""), context) or context.facts["session"],
        _project(project or source),
        timestamp=told.get("time"),
        role=role,
        text=text,
        uuid=told.get("uuid", ""),
        parent_uuid=told.get("parent", ""),
        model=told.get("model", ""),
        is_prompt=role == "user" and bool(text.strip()),
    )
    said.title = _title(told.get("title", ""), said)
    _add_call(said, told, value)
    return said


def _session_id(told: str, context: Context) -> str:
    """A conversation's id in the archive. A number names one only within its file."""
    return f"{context.facts['file']}-{told}" if told.isdigit() and len(told) < SHORTEST_ID else told


def _project(told: str) -> Project:
    """The project of this name; a path is the folder that Claude Code would know by it."""
    return Project(slug_of(told) if "/" in told else told, told)


def _title(told: str, said: Said) -> tuple[str, str] | None:
    if told.strip():
        return "custom", told
    return ("prompt", said.text) if said.is_prompt else None


def _add_call(said: Said, told: dict[str, Any], value: dict[str, Any]) -> None:
    """The API response that a row with a model and tokens tells of. Its id is the message's where that is one
    in the whole world."""
    counts = {"input": told.get("input_tokens"), "output": told.get("output_tokens")}
    usage = {kind: count for kind, count in counts.items() if count}
    if not (usage and said.model):
        return
    call_id = said.uuid if len(said.uuid) >= SHORTEST_ID else content_hash(value).hex()
    said.more |= {"usage": usage, "apiMessageId": call_id}
    call = Call(call_id, short_text(said.session_id), said.project.id, said.model, usage, said.timestamp)
    call.reported_cost = told.get("cost")
    if call.reported_cost is not None:
        said.more["reportedCostUsd"] = to_decimal128(call.reported_cost)
    said.calls.append(call)


CSV = Format(
    name="csv",
    label="Table (CSV)",
    description="Rows separated by commas, semicolons, tabs or bars, the first of which names the columns. "
    "You say which column is what.",
    source="csv",
    detect=detect_rows,
    records=read_rows,
    message=speaks(saying("csv")),
    start=starting("csv"),
    layout="spans",
    needs_mapping=True,
)
JSON = Format(
    name="json",
    label="JSON array",
    description="An array of objects, alone or within an object. You say which key is what.",
    source="json",
    detect=detect_array,
    records=read_document,
    message=speaks(saying("json")),
    start=starting("json"),
    layout="spans",
    needs_mapping=True,
)
JSONL = Format(
    name="jsonl",
    label="JSON Lines",
    description="One object a line, of any tool. You say which key is what.",
    source="json",
    detect=detect_lines,
    records=_read_lines,
    message=speaks(saying("json")),
    start=starting("json"),
    needs_mapping=True,
)
GENERIC = (CSV, JSON, JSONL)
