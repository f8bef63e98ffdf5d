"""Three ways to bring a JSONL file into MongoDB: the product's, the plain one, and the limit."""

import gc
import hashlib
import json
import zipfile
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import ijson
from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo import ReplaceOne
from pymongo.collection import Collection

from archive.collections import MESSAGE_INDEXES
from benchmarks.corpora import raw_documents
from benchmarks.ways import Run, become_worker, plain_database

BATCH = 1000


def product(path: str) -> Run:
    """The pipeline of an import job: exactly once, with sessions, calls and events; without the SQL row."""
    become_worker()
    from imports.pipeline import ImportOptions, Source, import_batches

    def run() -> dict[str, Any]:
        steps = import_batches(
            [Source(path)], job_id=str(uuid4()), token=1, options=ImportOptions(), log=lambda *_: None
        )
        *_, last = steps
        return {"records": last.counts["seen"], **last.counts}

    return run


def plain(path: str) -> Run:
    """What a script does: parse each line, hash it whole, upsert by the hash, a thousand at a time."""
    collection = _indexed_collection()
    collection.create_index("contentHash", unique=True)
    gc.freeze()

    def run() -> dict[str, Any]:
        told = {"records": 0, "inserted": 0, "duplicates": 0}
        writes = _plain_writes(path)
        while batch := list(islice(writes, BATCH)):
            result = collection.bulk_write(batch, ordered=False)
            told["records"] += len(batch)
            told["inserted"] += result.upserted_count
            told["duplicates"] += result.matched_count
        return told

    return run


def _plain_writes(path: str) -> Iterator[ReplaceOne]:
    file_id, numbers = ObjectId(), count(1)
    for record in _plain_records(path):
        content = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
        document = {**record, "contentHash": content, "fileId": file_id, "seq": Int64(next(numbers))}
        yield ReplaceOne({"contentHash": content}, document, upsert=True)


def _plain_records(path: str) -> Iterator[dict[str, Any]]:
    """The records of a file of lines, a zip of such files, or an array of conversations."""
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    yield from map(json.loads, file)
    elif path.endswith(".json"):
        with Path(path).open("rb") as file:
            for conversation in ijson.items(file, "item", use_float=True):
                for message in conversation["chat_messages"]:
                    yield {**message, "sessionId": conversation["uuid"]}
    else:
        with Path(path).open("rb") as file:
            yield from map(json.loads, file)


def limit(path: str) -> Run:
    """Nothing but inserting: documents that are BSON already, under the same indexes."""
    collection = _indexed_collection()
    gc.freeze()

    def run() -> dict[str, Any]:
        inserted = 0
        documents = raw_documents(Path(path))
        while batch := list(islice(documents, BATCH)):
            collection.insert_many(batch)
            inserted += len(batch)
        return {"records": inserted, "inserted": collection.estimated_document_count()}

    return run


def _indexed_collection() -> Collection[dict[str, Any]]:
    """A collection with the indexes that the product's messages have."""
    collection = plain_database()["messages"]
    for index in MESSAGE_INDEXES:
        collection.create_index(list(index.keys), unique=index.unique)
    return collection
