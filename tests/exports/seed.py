"""Conversations put into the real archive the way people do it: by importing files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from imports.services import create_import, run_import

FOLDER = "projects/-home-ana-app"


def line(session: str, number: int, **more: Any) -> bytes:
    """One transcript line as Claude Code writes it."""
    record = {
        "parentUuid": None,
        "isSidechain": False,
        "cwd": "/home/ana/app",
        "sessionId": session,
        "version": "2.1.0",
        "gitBranch": "main",
        "type": "user",
        "message": {"role": "user", "content": f"saluton {number} ☃"},
        "uuid": f"{session[:8]}-{number:04}",
        "timestamp": f"2025-03-{number % 28 + 1:02}T12:00:00.123Z",
        **more,
    }
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def answer(session: str, number: int, model: str = "claude-sonnet-4-20250514") -> bytes:
    """An assistant's line, with usage."""
    message = {
        "id": f"msg_{session[:4]}{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": f"respondo {number}"}],
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    }
    return line(session, number, type="assistant", message=message, requestId=f"req_{number}")


ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"


def small_tree() -> dict[str, bytes]:
    """Awkward on purpose: CRLF, a bad line, a blank line, no final newline, an odd number, a subagent."""
    odd = line(TWO, 3).replace(b'"isSidechain":false', b'"isSidechain":false,"n":1.50E+2')
    return {
        f"{FOLDER}/{ONE}.jsonl": b"\n".join([line(ONE, 1), answer(ONE, 2), b"{not json", b"", line(ONE, 4)]) + b"\n",
        f"{FOLDER}/{TWO}.jsonl": b"\r\n".join([line(TWO, 1), answer(TWO, 2, "claude-opus-4-20250514"), odd]),
        f"{FOLDER}/{ONE}/subagents/agent-1a2b3c4d.jsonl": line(ONE, 9, isSidechain=True, agentId="1a2b3c4d") + b"\n",
    }


def seed(owner: Any, folder: Path, tree: dict[str, bytes]) -> None:
    """Import these files, in one zip."""
    path = folder / "seed.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in tree.items():
            packed.writestr(name, data)
    job = create_import(owner, sources=[{"path": str(path), "name": path.name, "upload": None, "bytes": path.stat().st_size}])
    run_import(job)
    job.refresh_from_db()
    assert job.state in ("completed", "completed_with_errors"), (job.state, job.error, job.traceback)
