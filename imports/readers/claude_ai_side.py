"""What stands beside the conversations in an export of claude.ai: projects, memories, the account. Pure.

The shape of memories is not promised by anybody: whatever texts stand in one are kept and found.
"""

from collections.abc import Callable, Iterator
from typing import Any

from archive.records import Record
from imports.messages import MAX_TEXT, Context, Said, parse_time, speaks
from imports.readers.base import Format, Match, Sample, first_of, has
from imports.readers.claude_ai import NAME, PROJECT, project_of
from imports.readers.document import HEAD, read_document
from imports.readers.texts import joined, text_of, unnamed

PROJECTS, MEMORIES, USERS = "projects", "memories", "users"
EXPLANATIONS = {
    PROJECTS: "claude.ai export: projects with their instructions and documents",
    MEMORIES: "claude.ai export: what Claude remembers of its conversations",
    USERS: "claude.ai export: the account that it belongs to",
}
PROJECT_KEYS = ("prompt_template", "is_starter_project")
MEMORY_KEYS = ("conversations_memory", "project_memories")
# In an array, as the export gives them, or alone.
PLACES: tuple[tuple[str, ...], ...] = (("*",), ())


def detect(sample: Sample) -> Match | None:
    for path in PLACES:
        kind = _kind_of(first_of(sample.root, *path), sample.stem)
        if kind:
            return Match(EXPLANATIONS[kind], {"kind": kind, "shape": _shape(kind, path)})
    return None


def _shape(kind: str, path: tuple[str, ...]) -> dict[str, Any]:
    """Each document of a project is a record of its own: together they may be long."""
    if kind == PROJECTS:
        return {"record": [*path, "docs", "*"], "head": list(path)}
    return {"record": list(path)}


def _kind_of(value: Any, stem: str) -> str:
    """What an object is, by its keys; of memories the file's name may have to tell."""
    if has(value, "uuid", "name") and any(key in value for key in PROJECT_KEYS):
        return PROJECTS
    if has(value, "uuid", "email_address"):
        return USERS
    if isinstance(value, dict) and (any(key in value for key in MEMORY_KEYS) or stem == MEMORIES):
        return MEMORIES
    return ""


def start(sample: Sample, match: Match) -> Context:
    return Context(unnamed(NAME, sample.inside), PROJECT, facts={"kind": match.facts["kind"]})


def said(record: Record, context: Context) -> Said:
    if context.facts["kind"] == PROJECTS:
        return _project(record.value, context) if record.kind == HEAD else _document(record.value, context)
    return ACCOUNTS[context.facts["kind"]](record.value, context)


def _project(value: dict[str, Any], context: Context) -> Said:
    name = text_of(value, "name")
    context.session_id = text_of(value, "uuid") or unnamed(NAME, value)
    context.project = project_of(context.session_id, name)
    context.last_time = parse_time(value.get("created_at"))
    return Said(
        NAME,
        "project",
        context.session_id,
        context.project,
        timestamp=context.last_time,
        text=joined(name, text_of(value, "description"), text_of(value, "prompt_template")),
        uuid=text_of(value, "uuid"),
        title=("custom", name) if name else None,
    )


def _document(value: dict[str, Any], context: Context) -> Said:
    """A document of the project that was read before it."""
    return Said(
        NAME,
        "project-document",
        context.session_id,
        context.project,
        timestamp=parse_time(value.get("created_at")) or context.last_time,
        text=joined(text_of(value, "filename", "file_name"), text_of(value, "content")),
        uuid=text_of(value, "uuid"),
    )


def _account(value: dict[str, Any], context: Context) -> Said:
    name = text_of(value, "full_name")
    key = text_of(value, "uuid")
    return Said(
        NAME,
        "account",
        f"account-{key}" if key else unnamed(NAME, value),
        PROJECT,
        text=joined(name, text_of(value, "email_address")),
        uuid=key,
        title=("custom", f"Account of {name}") if name else None,
    )


def _memory(value: dict[str, Any], context: Context) -> Said:
    """Later exports of an account tell what is remembered then: a further message of the same session."""
    key = text_of(value, "account_uuid", "user_uuid", "uuid") or text_of(value.get("account"), "uuid")
    return Said(
        NAME,
        "memory",
        f"memory-{key}" if key else unnamed(NAME, value),
        PROJECT,
        timestamp=parse_time(value.get("updated_at")) or parse_time(value.get("created_at")),
        text=joined(*_prose(value))[:MAX_TEXT],
        title=("custom", "Memory"),
    )


def _prose(value: Any) -> Iterator[str]:
    """The texts in a value, without those that are no more than a name or a number."""
    if isinstance(value, str):
        if " " in value:
            yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _prose(each)


ACCOUNTS: dict[str, Callable[[dict[str, Any], Context], Said]] = {USERS: _account, MEMORIES: _memory}

FORMAT = Format(
    name="claude-ai-side",
    label="claude.ai projects, memories and account",
    description="projects.json, memories.json and users.json of a data export.",
    source=NAME,
    detect=detect,
    records=read_document,
    message=speaks(said),
    start=start,
    layout="spans",
)
