"""What exports hold beside messages: heads of conversations, projects, memories, accounts, files. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from browse.blocks import BRIEF, MANY, Block, brief_of, cut, pieces_of, prose
from browse.values import as_text, mapping

# What names a thing, the most telling first.
NAMES = ("name", "title", "filename", "file_name", "path", "full_name", "uuid", "id")
CONTENT = ("content", "text")
ABOUT = ("model", "default_model_slug", "summary", "description")


def facts_of(message: Mapping[str, Any]) -> tuple[Block, ...]:
    """The blocks of such a record; all of it is in them, folded where it is not for reading."""
    record = mapping(message.get("record"))
    make = _MAKERS.get(str(message.get("type")), _whole)
    return make(record) if record else _flat(message)


def _flat(message: Mapping[str, Any]) -> tuple[Block, ...]:
    text = as_text(message.get("text") or "")
    return (Block("data", "", brief_of(text), pieces=(cut(text),)),) if text else ()


def _whole(record: Mapping[str, Any], title: str = "") -> tuple[Block, ...]:
    told = {key: value for key, value in record.items() if value not in ("", None)}
    return (Block("data", title, _brief(record), pieces=pieces_of(told)),)


def _name(record: Mapping[str, Any]) -> str:
    return next((brief_of(as_text(record[key])) for key in NAMES if record.get(key)), "")


def _brief(record: Mapping[str, Any]) -> str:
    told = (_name(record), *(record.get(key) for key in ABOUT))
    texts = (brief_of(each) for each in told if isinstance(each, str) and each.strip())
    return brief_of(" · ".join(texts))


def _project(record: Mapping[str, Any]) -> tuple[Block, ...]:
    texts = {"description": "Description", "prompt_template": "Instructions"}
    return (*_readable(record, texts), *_whole(_without(record, *texts), "Details"))


def _document(record: Mapping[str, Any]) -> tuple[Block, ...]:
    """A document of a project, or another file: its text first, then what is told of it."""
    text = next((record[key] for key in CONTENT if isinstance(record.get(key), str)), "")
    facts = pieces_of(_without(record, *CONTENT))
    return (Block("file", _name(record), brief_of(text), pieces=(*((cut(text),) if text else ()), *facts)),)


def _memory(record: Mapping[str, Any]) -> tuple[Block, ...]:
    """What Claude remembers, in general and of each project."""
    by_project = mapping(record.get("project_memories"))
    of_projects = {key: f"Memory of project {key[:BRIEF]}" for key in list(by_project)[:MANY]}
    general = {"conversations_memory": "Memory"}
    return (
        *_readable(record, general),
        *_readable(by_project, of_projects),
        *_whole(_without(record, *general), "Details"),
    )


def _readable(record: Mapping[str, Any], titles: Mapping[str, str]) -> list[Block]:
    """The members that are texts, as prose under their titles."""
    found = ((title, record.get(key)) for key, title in titles.items())
    return [prose(text, title) for title, text in found if isinstance(text, str) and text.strip()]


def _without(record: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The record without what is shown elsewhere: these members, where they are texts."""
    return {key: each for key, each in record.items() if key not in keys or not isinstance(each, str)}


_MAKERS: dict[str, Callable[[Mapping[str, Any]], tuple[Block, ...]]] = {
    "project": _project,
    "project-document": _document,
    "side-file": _document,
    "memory": _memory,
}
# How each kind is called, and whether a person wants to see it among what was said.
LABELS = {
    "conversation": "Conversation",
    "project": "Project",
    "project-document": "Document",
    "memory": "Memory",
    "account": "Account",
    "side-file": "Side file",
}
QUIET = ("conversation", "account", "side-file")
