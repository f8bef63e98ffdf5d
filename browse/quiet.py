"""One line for each thing that is neither said nor done by a tool: events of the program. Pure."""

from collections.abc import Mapping
from typing import Any

from browse.blocks import brief_of
from browse.values import as_json, as_text, counted, mapping

KNOWN_TYPES = {
    *("user", "assistant", "system", "progress", "attachment", "summary", "file-history-snapshot"),
    *("queue-operation", "pr-link", "custom-title", "ai-title", "agent-name", "last-prompt"),
    *(
        "permission-mode",
        "mode",
        "agent-setting",
        "worktree-state",
        "bridge-session",
        "tag",
        "frame-link",
    ),
    *("relocated", "atis-latch", "turn_end", "started", "result"),
}
# Fields that every line has: they say where it belongs, not what happened.
COMMON = {
    *(
        "type",
        "subtype",
        "uuid",
        "parentUuid",
        "logicalParentUuid",
        "sessionId",
        "session_id",
        "timestamp",
    ),
    *(
        "cwd",
        "gitBranch",
        "version",
        "isSidechain",
        "isMeta",
        "userType",
        "entrypoint",
        "slug",
        "agentId",
    ),
    *(
        "teamName",
        "isTeammate",
        "leafUuid",
        "messageId",
        "toolUseID",
        "parentToolUseID",
        "level",
        "requestId",
    ),
}


def quiet_lines(message: Mapping[str, Any]) -> tuple[str, str, str]:
    """What happened (a label), what exactly (one line), and the whole record as text."""
    record = mapping(message.get("record"))
    kind = str(message.get("type") or "")
    nested = mapping(record.get(_NESTED.get(kind, "")))
    label = words(kind or "line without a type")
    if detail := nested.get("type") or record.get("subtype"):
        label = f"{label}: {words(str(detail)).lower()}"
    whole = as_json(record) if record else str(message.get("text") or "")
    return label, _brief(kind, record, nested, message), whole


_NESTED = {"progress": "data", "attachment": "attachment"}


def words(name: str) -> str:
    words = name.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:60]


def _brief(
    kind: str, record: Mapping[str, Any], nested: Mapping[str, Any], message: Mapping[str, Any]
) -> str:
    if kind == "file-history-snapshot":
        return _files(mapping(mapping(record.get("snapshot")).get("trackedFileBackups")))
    if kind == "system" and isinstance(record.get("content"), str) and record["content"].strip():
        return brief_of(record["content"])
    facts = list(_facts(nested or record))
    return brief_of(" · ".join(facts)) if facts else brief_of(str(message.get("text") or ""))


def _files(tracked: Mapping[str, Any]) -> str:
    number = counted(len(tracked), "file")
    return brief_of(f"{number}: {', '.join(tracked)}" if tracked else number)


def _facts(values: Mapping[str, Any]) -> list[str]:
    """``name: value`` of the short fields that are this line's own."""
    return [
        f"{key}: {brief_of(as_text(value))}"
        for key, value in values.items()
        if key not in COMMON and isinstance(value, str | int | float) and value not in ("", False)
    ][:6]
