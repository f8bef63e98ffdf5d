"""The files that are imported: made once, kept under ``var/bench/corpora``."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
