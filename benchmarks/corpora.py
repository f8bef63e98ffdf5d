"""The files that are imported: made once, kept under ``var/bench/corpora``."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

from benchmarks.ground import ROOT

FOLDER = ROOT / "var" / "bench" / "corpora"
FIRST_LINE = {"type": "summary", "summary": "A line that makes it another file", "leafUuid": "0" * 32}
COPY_BLOCK = 1 << 20


@dataclass(frozen=True)
class Corpus:
    """A JSONL file and how many records it holds."""

    path: Path
    records: int
    size: int

    @property
    def label(self) -> str:
        return human_size(self.size)


def human_size(size: int) -> str:
    """
    >>> human_size(50_041_772), human_size(1_000_900_000)
    ('50 MB', '1 GB')
    """
    return f"{size / 1e9:.3g} GB" if size >= 995_000_000 else f"{size / 1e6:.0f} MB"


def corpus(size: int, repeat: float = 0.0) -> Corpus:
    """A corpus of ``size`` bytes; a share ``repeat`` of its records stands twice."""
    prefix = FOLDER / f"corpus-{size}-{repeat:g}"
    facts = prefix.with_name(prefix.name + ".facts")
    if not facts.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        facts.write_text(_generate(prefix, size, repeat))
    told = json.loads(facts.read_text())
    return Corpus(prefix.with_name(prefix.name + ".jsonl"), told["messages"], told["jsonl_bytes"])


def _generate(prefix: Path, size: int, repeat: float) -> str:
    command = [sys.executable, "-m", "benchmarks.gen_corpus", "--format=jsonl"]
    command += [f"--size={size}", f"--repeat={repeat:g}", f"--out={prefix}"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def sessions(count: int, first: int) -> Corpus:
    """The sessions from number ``first`` on: two such corpora overlap by as many as their numbers do."""
    prefix = FOLDER / f"sessions-{count}-{first}"
    facts = prefix.with_name(prefix.name + ".facts")
    if not facts.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.gen_corpus", "--format=jsonl", f"--out={prefix}"]
        command += [f"--sessions={count}", f"--first-session={first}"]
        made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        facts.write_text(made.stdout)
    told = json.loads(facts.read_text())
    return Corpus(prefix.with_name(prefix.name + ".jsonl"), told["messages"], told["jsonl_bytes"])


def records_by_session(original: Corpus) -> Iterator[tuple[str, list[bytes]]]:
    """The lines of each session, which stand together."""
    with original.path.open("rb") as lines:
        for session, group in groupby(lines, key=lambda line: json.loads(line)["sessionId"]):
            yield session, list(group)


def zipped(original: Corpus) -> Corpus:
    """The same records as a tree of transcripts in a zip, one file a session."""
    path = original.path.with_suffix(".zip")
    if not path.exists():
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as out:
            for session, lines in records_by_session(original):
                out.writestr(f"projects/-home-bench/{session}.jsonl", b"".join(lines))
    return Corpus(path, original.records, original.size)


def claude_ai(original: Corpus) -> Corpus:
    """The same conversations as one array, the way claude.ai exports them. ``records`` counts the
    conversations, too: each is a record of its own."""
    path = original.path.with_suffix(".claude-ai.json")
    facts = path.with_suffix(".facts")
    if not facts.exists():
        conversations = 0
        with path.open("wb") as out:
            for session, lines in records_by_session(original):
                out.write(b",\n" if conversations else b"[")
                out.write(_conversation(session, [json.loads(line) for line in lines]))
                conversations += 1
            out.write(b"]")
        facts.write_text(json.dumps(conversations))
    return Corpus(path, original.records + json.loads(facts.read_text()), path.stat().st_size)


def _conversation(session: str, lines: list[dict[str, Any]]) -> bytes:
    head = {"uuid": session, "name": "Bench", "summary": "", "created_at": lines[0]["timestamp"]}
    told = {**head, "account": {"uuid": "0"}, "chat_messages": [_message(line) for line in lines]}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()


def _message(line: dict[str, Any]) -> dict[str, Any]:
    content = line["message"]["content"]
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    return {
        "uuid": line["uuid"],
        "text": "",
        "content": blocks,
        "sender": "human" if line["type"] == "user" else "assistant",
        "created_at": line["timestamp"],
        "updated_at": line["timestamp"],
        "attachments": [],
        "files": [],
        "parent_message_uuid": line["parentUuid"],
    }


def another_file(original: Corpus, path: Path) -> Corpus:
    """The same records after one line of its own: a file that no hash can recognise."""
    line = json.dumps(FIRST_LINE, separators=(",", ":")).encode() + b"\n"
    with original.path.open("rb") as source, path.open("wb") as target:
        target.write(line)
        shutil.copyfileobj(source, target, COPY_BLOCK)
    return Corpus(path, original.records + 1, original.size + len(line))


def save_documents(collection: Collection[dict], path: Path) -> None:
    """Write a collection's documents to a file, as the BSON that they are, one after the other."""
    with path.open("wb") as file:
        for batch in collection.find_raw_batches(batch_size=500):
            file.write(batch)


def raw_documents(path: Path) -> Iterator[RawBSONDocument]:
    """The documents of such a file, not decoded."""
    with path.open("rb", buffering=COPY_BLOCK) as file:
        while head := file.read(4):
            yield RawBSONDocument(head + file.read(int.from_bytes(head, "little") - 4))
