"""Ways to read the archive back: the product's exports, what scripts do, and a bare cursor."""

import csv
import gc
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from benchmarks.ways import Run, become_worker, plain_database

BATCH = 200
FOLDER = "claude-code folder"


@dataclass(frozen=True)
class Way:
    """An export of the product: its format, how it is packed, and by how many processes it is made."""

    format: str
    compression: str = "none"
    processes: int = 1


PRODUCT = {
    "json": Way("json"),
    "json, two processes": Way("json", processes=2),
    "json, zstd": Way("json", "zstd"),
    "jsonl": Way("jsonl"),
    "jsonl, two processes": Way("jsonl", processes=2),
    "csv": Way("csv"),
    "claude-code": Way("claude-code"),
    FOLDER: Way("claude-code"),
}


def product(name: str, output: str) -> Run:
    """One export to ``output``, as a job writes it: packed, hashed, synced, renamed into its place."""
    become_worker()
    from archive.reader import MessageFilter
    from exports.building import Attempt, Order, build
    from exports.choices import Choices
    from exports.deliveries import Folder, write_tree
    from exports.material import ArchiveMaterial
    from exports.renderers import RENDERERS

    way, attempt = PRODUCT[name], Attempt(str(uuid4()), 1)
    choices = Choices(compression=way.compression)
    order = Order(RENDERERS[way.format], choices, MessageFilter(), way.processes)

    def run() -> dict[str, Any]:
        if name == FOLDER:
            material = ArchiveMaterial(order.filter)
            written = write_tree(material, Folder(Path(output)), attempt, lambda: None)
            return {"records": material.message_count, "bytes": sum(file.bytes for file in written)}
        built = build(order, lambda part: Path(output), attempt, lambda step: None)
        return {"records": built.total.message_count, "bytes": built.parts[0].file.bytes}

    return run


def plain_json(output: str) -> Run:
    """What a script does: one ``$lookup`` for each session, ``json.dumps``."""
    database = plain_database()
    gc.freeze()

    def run() -> dict[str, Any]:
        records = 0
        with Path(output).open("w") as out:
            out.write('{"conversations":[')
            for number, session in enumerate(_sessions_with_messages(database)):
                out.write((",\n" if number else "") + json.dumps(session, default=_told))
                records += len(session["messages"])
            out.write("]}\n")
        return {"records": records, "bytes": Path(output).stat().st_size}

    return run


def plain_jsonl(output: str) -> Run:
    """The same, one message a line."""
    database = plain_database()
    gc.freeze()

    def run() -> dict[str, Any]:
        records = 0
        with Path(output).open("w") as out:
            for session in _sessions_with_messages(database):
                out.writelines(json.dumps(message, default=_told) + "\n" for message in session["messages"])
                records += len(session["messages"])
        return {"records": records, "bytes": Path(output).stat().st_size}

    return run


def _sessions_with_messages(database: Any) -> Any:
    """Each session with its messages in their order."""
    ordered = [{"$sort": {"fileId": 1, "seq": 1}}]
    lookup = {"from": "messages_current", "localField": "_id", "foreignField": "sessionId", "as": "messages"}
    return database.sessions.aggregate([{"$sort": {"_id": 1}}, {"$lookup": {**lookup, "pipeline": ordered}}])


def plain_csv(output: str) -> Run:
    """What a script does: whole documents in order, ``csv.DictWriter`` with the columns of the product."""
    database = plain_database()
    from exports.renderers.tables import own_names

    columns = list(own_names("messages"))
    gc.freeze()

    def run() -> dict[str, Any]:
        records = 0
        with Path(output).open("w", newline="") as out:
            writer = csv.DictWriter(out, columns, extrasaction="ignore")
            writer.writeheader()
            for message in database.messages_current.find().sort(
                [("sessionId", 1), ("fileId", 1), ("seq", 1)]
            ):
                writer.writerow(message)
                records += 1
        return {"records": records, "bytes": Path(output).stat().st_size}

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
