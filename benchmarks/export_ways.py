"""Two ways to read the archive back: the product's exports, and a bare cursor."""

import gc
import zlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from benchmarks.ways import Run, become_worker, plain_database

BATCH = 200
FOLDER = "claude-code folder"


def product(name: str, output: str) -> Run:
    """One export to ``output``, as a job writes it: hashed, synced, renamed into its place."""
    become_worker()
    from archive.reader import MessageFilter
    from exports.deliveries import Attempt, write_file, write_folder
    from exports.material import ArchiveMaterial
    from exports.renderers import RENDERERS

    material = ArchiveMaterial(MessageFilter())
    attempt = Attempt(str(uuid4()), 1)

    def run() -> dict[str, Any]:
        if name == FOLDER:
            written = write_folder(material, Path(output), attempt, lambda: None)
        else:
            written = [write_file(RENDERERS[name], material, Path(output), attempt, lambda: None)]
        return {"records": material.message_count, "bytes": sum(file.bytes for file in written)}

    return run


def bare(packed: bool = False) -> Run:
    """Read every message and encode it, nothing else; ``packed`` deflates it, as a zip does."""
    messages = plain_database()["messages_current"]
    gc.freeze()

    def run() -> dict[str, Any]:
        pack = zlib.compressobj(1)
        records = size = 0
        for message in messages.find().batch_size(BATCH):
            line = orjson.dumps(message, default=_told)
            size += len(pack.compress(line)) if packed else len(line)
            records += 1
        return {"records": records, "bytes": size}

    return run


def _told(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
