"""Messages as the archive gives them, for tests that need no archive."""

from datetime import UTC, datetime
from itertools import count

_numbers = count(1)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def line(kind="user", content=None, **fields):
    """One message; ``content`` is its message.content, ``record`` adds to its record."""
    number = next(_numbers)
    record = {"type": kind, "uuid": f"u{number}", "sessionId": "s", **fields.pop("record", {})}
    role = kind if kind in ("user", "assistant") else None
    if content is not None:
        record["message"] = {"role": role, "content": content}
    return {
        "_id": number.to_bytes(32, "big"),
        "sessionId": "s",
        "type": kind,
        "role": role,
        "timestamp": NOON,
        "seq": number * 1024,
        "text": content if isinstance(content, str) else "",
        "record": record,
        **fields,
    }


def call(name, given, key="t1"):
    return {"type": "tool_use", "id": key, "name": name, "input": given}


def result(content, key="t1", **fields):
    return {"type": "tool_result", "tool_use_id": key, "content": content, **fields}


def image(data="iVBORw0KGgo=", media_type="image/png"):
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
