"""Small transcripts as Claude Code writes them."""

import json
import uuid

SESSION = "6f1c0c3e-0000-4000-8000-000000000001"


def transcript(messages: int = 4, session: str = SESSION, text: str = "Hello", pad: int = 0) -> bytes:
    """Lines of one conversation: prompts and answers in turn."""
    return b"".join(_line(number, session, text, pad) for number in range(messages))


def _line(number: int, session: str, text: str, pad: int) -> bytes:
    role = "assistant" if number % 2 else "user"
    message = {"role": role, "content": f"{text} {number}{' ' + 'x' * pad if pad else ''}"}
    if role == "assistant":
        usage = {"input_tokens": 10, "output_tokens": 5}
        message = {"id": f"msg_{session[-4:]}_{number}", "type": "message", "model": "claude-sonnet-4-5-20250929"} | message
        message |= {"content": [{"type": "text", "text": message["content"]}], "usage": usage}
    line = {
        "parentUuid": _uuid(session, number - 1) if number else None,
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/ada/work",
        "sessionId": session,
        "version": "2.0.76",
        "gitBranch": "main",
        "type": role,
        "message": message,
        "uuid": _uuid(session, number),
        "timestamp": f"2025-11-{1 + number // 1440 % 28:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00.000Z",
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _uuid(session: str, number: int) -> str:
    return str(uuid.uuid5(uuid.UUID(session), str(number)))
