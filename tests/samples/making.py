"""Lines and files as Claude Code writes them, made up: small, odd, and as many as a test wants."""

import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CWD = "/home/ada/shop"
SLUG = "-home-ada-shop"
ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"
SONNET = "claude-sonnet-4-5-20250929"


def dump(value: Any) -> bytes:
    """The compact JSON that Claude Code writes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def number_id(*parts: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


def at(number: int) -> str:
    """The time of the line with this number: one second after the line before."""
    return f"2025-11-{1 + number // 86400:02}T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.{number % 1000:03}Z"


def user(session: str, number: int, content: Any = None, **more: Any) -> dict[str, Any]:
    """One line of a user."""
    return {
        "parentUuid": number_id(session, number - 1) if number else None,
        "isSidechain": False,
        "userType": "external",
        "cwd": CWD,
        "sessionId": session,
        "version": "2.0.76",
        "gitBranch": "main",
        "type": "user",
        "message": {"role": "user", "content": f"Question {number}" if content is None else content},
        "uuid": number_id(session, number),
        "timestamp": at(number),
        **more,
    }


def usage(**tokens: Any) -> dict[str, Any]:
    return {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, **tokens}


def assistant(
    session: str, number: int, *, id: str = "", model: str = SONNET, tokens: Any = None, **more: Any
) -> dict[str, Any]:
    """One line of an answer; ``id`` is Anthropic's message id."""
    message = {
        "id": id or f"msg_{session[:4]}_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": f"Answer {number}"}],
        "usage": usage() if tokens is None else tokens,
    }
    return user(session, number, type="assistant", **{"message": message, **more})


def conversation(session: str, lines: int, start: int = 0) -> list[bytes]:
    """Questions and answers in turn, as lines without their ends."""
    return [
        dump((assistant if number % 2 else user)(session, number)) for number in range(start, start + lines)
    ]


def joined(lines: list[bytes], end: bytes = b"\n") -> bytes:
    return b"".join(line + end for line in lines)


def write(folder: Path, path: str, data: bytes) -> Path:
    """A file below ``folder``, with the folders that it needs."""
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place


def session_file(session: str, slug: str = SLUG) -> str:
    return f"projects/{slug}/{session}.jsonl"


# ------------------------------------------------------------------ many


ODD_LINES = [
    b"{not json",
    b"",
    b"   ",
    b"// a comment",
    b'"a text"',
    b"\xff\xfe bad bytes",
    b'{"type":"summary","summary":"What was done","leafUuid":"x","n":1.50E+2}',
    b'{"type":"custom-title","customTitle":"A title","a.b":{"$set":1},"big":123456789012345678901234567890}',
    b'{"type":"user","parentUuid":null,"sessionId":"odd","lone":"\\ud83d","uuid":"u"}',
]


def corpus(folder: Path, messages: int, seed: int = 1) -> list[Path]:
    """A folder like ``~/.claude`` with about ``messages`` lines: several projects, responses of several
    lines, conversations carried on in a second file, odd lines, files without a final newline, copies."""
    chance = random.Random(seed)
    made, number = [], 0
    while number < messages:
        session = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        lines = list(_corpus_lines(chance, session, min(messages - number, chance.randint(2, 400))))
        number += len(lines)
        slug = f"-home-ada-{chance.choice(['shop', 'notes', 'garden', 'radio'])}"
        data = b"\n".join(lines) + (b"\n" if chance.random() < 0.6 else b"")
        made.append(write(folder, session_file(session, slug), data))
        if chance.random() < 0.2:
            made.append(_carried_on(chance, folder, slug, session, lines))
        if chance.random() < 0.1:
            made.append(write(folder, f"backup/{slug}/{session}.jsonl", data))
    return made


def _corpus_lines(chance: random.Random, session: str, count: int) -> Iterator[bytes]:
    number = 0
    while number < count:
        yield dump(user(session, number, content="word " * chance.randint(1, 60)))
        number += 1
        response = f"msg_{session[:8]}_{number}"
        for part in range(chance.randint(1, 3)):
            tokens = usage(output_tokens=10 * (part + 1), cache_read_input_tokens=number)
            yield dump(assistant(session, number, id=response, tokens=tokens))
            number += 1
        if chance.random() < 0.02:
            yield chance.choice(ODD_LINES)


def _carried_on(chance: random.Random, folder: Path, slug: str, session: str, lines: list[bytes]) -> Path:
    """What ``--resume`` used to write: the old lines under a new session id, then new ones."""
    new = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    old = [line.replace(session.encode(), new.encode()) for line in lines[: chance.randint(1, len(lines))]]
    return write(folder, session_file(new, slug), joined(old + conversation(new, 4, start=len(lines))))
