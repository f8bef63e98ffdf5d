"""A classic ClaudeLens database, made the way that program made it: lines of Claude Code taken apart.

Written from the description of its collections: an answer is one document and one more for each of its tool
calls, results of tools are documents without the line they stood on, costs are worked out for every line.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Decimal128, ObjectId

MODEL = "claude-sonnet-4-20250514"
START = datetime(2025, 7, 30, 8, 0, tzinfo=UTC)
KEPT = ("userType", "cwd", "requestId", "version", "gitBranch", "toolUseResult")


class Lines:
    """One conversation's lines, as Claude Code of that time wrote them. ``first`` counts all conversations."""

    def __init__(self, number: int, start: datetime = START) -> None:
        self.session = f"{number:08x}-0000-4000-8000-00000000000a"
        self.cwd = f"/home/ada/project{number % 3}"
        self.time = start + timedelta(hours=number)
        self.made: list[dict[str, Any]] = []
        self.number = number

    def add(self, kind: str, message: dict[str, Any], **more: Any) -> None:
        count = len(self.made)
        self.time += timedelta(seconds=1, milliseconds=7)
        parent = self.made[-1]["uuid"] if self.made else None
        self.made.append(
            {
                "parentUuid": parent, "isSidechain": False, "userType": "external", "cwd": self.cwd, "sessionId": self.session,
                "version": "1.0.60", "gitBranch": "main", "type": kind, "message": message, **more,
                "uuid": f"{self.session[:8]}-{count:04}", "timestamp": self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            }
        )  # fmt: skip

    def turn(self, words: str = "") -> None:
        """A prompt, an answer in three lines, a tool's result, and a last answer."""
        turn = len(self.made)
        self.add("user", {"role": "user", "content": f"prompt {turn} of {self.number} {words}"})
        blocks = [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "text", "text": f"answer {turn}"},
            {"type": "tool_use", "id": f"toolu_{self.number}_{turn}", "name": "Read", "input": {"file_path": "/a.b", "$ref": "x", "$id": 1}},
        ]  # fmt: skip
        for place, block in enumerate(blocks, 1):
            self.answer(f"msg_{self.number}_{turn}", block, 10 * place)
        result = {"type": "tool_result", "tool_use_id": blocks[2]["id"], "content": f"content {turn}"}
        self.add(
            "user", {"role": "user", "content": [result]}, toolUseResult={"type": "text", "a.b": {"$x": 1.5}}
        )
        self.answer(f"msg_{self.number}_{turn}_b", {"type": "text", "text": "done"}, 5)

    def answer(self, call: str, block: dict[str, Any], output: int) -> None:
        usage = {
            "input_tokens": 100,
            "cache_creation_input_tokens": 40,
            "cache_read_input_tokens": 7,
            "output_tokens": output,
        }
        message = {
            "id": call,
            "type": "message",
            "role": "assistant",
            "model": MODEL,
            "content": [block],
            "stop_reason": None,
            "usage": usage,
        }
        self.add("assistant", message, requestId=f"req_{call}")


def conversations(count: int, turns: int = 2, words: str = "") -> list[Lines]:
    made = [Lines(number) for number in range(count)]
    for lines in made:
        for _ in range(turns):
            lines.turn(words)
    return made


def documents_of(line: dict[str, Any]) -> list[dict[str, Any]]:
    """What the old program made of a line."""
    inner, kind = line["message"], line["type"]
    blocks = inner["content"] if isinstance(inner["content"], list) else []
    calls = [each for each in blocks if each["type"] == "tool_use"]
    results = [each for each in blocks if each["type"] == "tool_result"]
    texts = [
        each.get("text") or each.get("thinking") for each in blocks if each["type"] in ("text", "thinking")
    ]
    whole = {
        **_document(line, kind, line["uuid"], line["parentUuid"]),
        "content": "\n".join(texts) if blocks else inner["content"],
        "messageData": inner,
        "contentHash": f"{len(json.dumps(line)):064x}",
        "isSidechain": line["isSidechain"],
    }
    if kind == "assistant":
        whole |= {"usage": inner["usage"], "model": inner["model"], "costUsd": Decimal128("0.0042")}
    made = [] if results and not texts else [whole]
    for place, block in enumerate(calls):
        made.append(_part(line, "tool_use", f"{line['uuid']}_tool_{place}", line["uuid"], block))
    for place, block in enumerate(results):
        made.append(
            _part(
                line,
                "tool_result",
                f"{line['uuid']}_result_{place}",
                f"{line['parentUuid']}_tool_{place}",
                block,
            )
        )
    return made


def _document(line: dict[str, Any], kind: str, uuid: str, parent: str | None) -> dict[str, Any]:
    return {
        "_id": ObjectId(), "uuid": uuid, "sessionId": line["sessionId"], "type": kind,
        "timestamp": datetime.fromisoformat(line["timestamp"]), "parentUuid": parent, "createdAt": START,
        **{name: line[name] for name in KEPT if name in line},
        "metadata": {"_project_path": f"/home/ada/.claude/projects/{line['cwd'].replace('/', '-')}"},
    }  # fmt: skip


def _part(line: dict[str, Any], kind: str, uuid: str, parent: str, block: dict[str, Any]) -> dict[str, Any]:
    content = block.get("content") if kind == "tool_result" else json.dumps(block)
    return {
        **_document(line, kind, uuid, parent),
        "isSidechain": True,
        "content": content,
        "messageData": block,
    }


def fill(database: Any, made: list[Lines], *, rolling: bool = True) -> int:
    """Put these conversations into an old database; how many messages they are there. Those after July are
    kept by the month, if the program did that then."""
    project_ids: dict[str, ObjectId] = {}
    total = 0
    for lines in made:
        if lines.cwd not in project_ids:
            project_ids[lines.cwd] = ObjectId()
            path = f"/home/ada/.claude/projects/{lines.cwd.replace('/', '-')}"
            database.projects.insert_one(
                {
                    "_id": project_ids[lines.cwd],
                    "path": path,
                    "name": path.rsplit("/", maxsplit=1)[-1],
                    "createdAt": START,
                }
            )
        documents = [each for line in lines.made for each in documents_of(line)]
        database.sessions.insert_one(
            {
                "sessionId": lines.session, "projectId": project_ids[lines.cwd], "startedAt": documents[0]["timestamp"], "endedAt": documents[-1]["timestamp"],
                "messageCount": len(documents), "totalCost": Decimal128("0.5"), "summary": f"Summary {lines.number}", "createdAt": START,
            }
        )  # fmt: skip
        by_month: dict[str, list[dict[str, Any]]] = {}
        for each in documents:
            month = f"messages_{each['timestamp']:%Y_%m}"
            by_month.setdefault(month if rolling and month > "messages_2025_07" else "messages", []).append(
                each
            )
        for name, some in by_month.items():
            database[name].insert_many(some)
        total += len(documents)
    return total
