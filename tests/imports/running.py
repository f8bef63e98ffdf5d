"""Imports run against the real database, and an account of the archive that owes nothing to the product's
own sums."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from archive import files
from archive.files import from_document
from archive.records import NOT_KEPT
from imports.pipeline import ImportOptions, Source, Step, import_batches
from imports.readers.claude_code import prompt_text

PLACES = ("messages_current", "message_copies", "message_versions")
COUNTED = ("inserted", "duplicates", "updated", "skipped", "rejected")
TOKENS = {
    "inputTokens": ("input",), "outputTokens": ("output",), "cacheReadTokens": ("cacheRead",),
    "cacheWriteTokens": ("cacheWrite5m", "cacheWrite1h"),
}  # fmt: skip


@dataclass
class Result:
    """How an import went."""

    counts: dict[str, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def last(self) -> Step:
        return self.steps[-1]

    def __getattr__(self, name: str) -> int:
        try:
            return self.__dict__["counts"][name]
        except KeyError as error:
            raise AttributeError(name) from error


def run(
    *paths: Path | str | Source, job: str = "job", token: int = 1, stop_after: int = 0, **options: Any
) -> Result:
    """Import these paths to the end, or until ``stop_after`` batches were pulled. Checks that every record
    seen is accounted for, at every step."""
    sources = [path if isinstance(path, Source) else Source(str(path)) for path in paths]
    result = Result()
    steps = import_batches(
        sources,
        job_id=job,
        token=token,
        options=ImportOptions(**options),
        log=lambda level, text: result.log.append(text),
    )
    for step in steps:
        assert step.counts["seen"] == sum(step.counts[name] for name in COUNTED), step.counts
        result.steps.append(step)
        result.counts = step.counts
        if stop_after and len(result.steps) >= stop_after:
            steps.close()
            break
    done = [step.bytes_done for step in result.steps]
    assert done == sorted(done)
    return result


# ------------------------------------------------------------------ files


def file_at(db: Any, path: str) -> files.SourceFile:
    found = db.source_files.find_one({"path": path})
    assert found, (path, paths(db))
    return from_document(found)


def paths(db: Any) -> list[str]:
    return sorted(each["path"] for each in db.source_files.find())


def bytes_of(db: Any, path: str) -> bytes:
    """A file as the archive gives it back."""
    return b"".join(files.file_chunks(file_at(db, path).id))


def given_back(db: Any) -> dict[str, bytes]:
    """Every file's bytes, by path."""
    return {path: bytes_of(db, path) for path in paths(db)}


# ------------------------------------------------------------------ the account


def check(db: Any, *, calls: bool = True) -> None:
    """Everything that must always hold of the archive. Hostile records have calls that cannot be told apart
    without the product's own reading of them (``calls`` False)."""
    check_files(db)
    if calls:
        check_calls(db)
    check_sessions(db)
    check_projects(db)
    check_events(db)


def check_files(db: Any) -> None:
    for document in db.source_files.find():
        file = from_document(document)
        if file.layout != NOT_KEPT:
            data = b"".join(files.file_chunks(file.id))
            assert len(data) == file.size, (file.path, len(data), file.size)
            if file.size:
                assert hashlib.sha256(data).hexdigest() == file.sha256, file.path
        held = sum(db[name].count_documents({"fileId": file.id}) for name in PLACES)
        assert held == file.records, (file.path, held, file.records)
        rejected = {"fileId": file.id, "part": 0, "superseded": {"$ne": True}}
        assert db.rejected_records.count_documents(rejected) == file.rejected, file.path
    places = Counter(
        (each["fileId"], each["seq"])
        for name in PLACES
        for each in db[name].find({}, {"fileId": 1, "seq": 1})
    )
    assert max(places.values(), default=0) <= 1, "two records in one place"


def record_of(message: dict[str, Any]) -> dict[str, Any]:
    return message["record"] if "record" in message else orjson.loads(message["raw"])


def responses(db: Any) -> dict[str, dict[str, Any]]:
    """Each response's owner, first time and largest usage, from the records of the stored messages and of
    those that were set aside: what an answer cost was paid whichever version of it is kept."""
    lines: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = defaultdict(list)
    for message in [*db.messages_current.find(), *db.message_versions.find()]:
        record = record_of(message)
        inner = record.get("message")
        if record.get("type") == "progress":
            inner = ((record.get("data") or {}).get("message") or {}).get("message")
        if (
            isinstance(inner, dict)
            and isinstance(inner.get("usage"), dict)
            and inner.get("model") != "<synthetic>"
        ):
            lines[inner["id"]].append((message, inner))
    return {key: _response(each) for key, each in lines.items()}


def _response(lines: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    def is_side(message: dict[str, Any]) -> bool:
        return message["isSidechain"] or message["type"] == "progress"

    times = [message["timestamp"] for message, _ in lines if "timestamp" in message]
    owner, _ = min(
        lines,
        key=lambda each: (
            is_side(each[0]),
            "timestamp" not in each[0],
            str(each[0].get("timestamp")),
            each[0]["sessionId"],
        ),
    )
    main = [inner for message, inner in lines if not is_side(message)] or [inner for _, inner in lines]
    return {
        "sessionId": owner["sessionId"],
        "timestamp": min(times, default=None),
        "output": max(inner["usage"].get("output_tokens", 0) for inner in main),
    }


def check_calls(db: Any) -> None:
    stored = {
        call["_id"]: {
            "sessionId": call["sessionId"],
            "timestamp": call["timestamp"],
            "output": call["usage"].get("output", 0),
        }
        for call in db.api_calls.find()
    }
    assert stored == responses(db)


def check_sessions(db: Any) -> None:
    expected = rebuilt_sessions(db)
    stored = {each["_id"]: each for each in db.sessions.find()}
    assert stored.keys() == expected.keys()
    for session_id, session in expected.items():
        found = {name: stored[session_id][name] for name in session}
        found["totalCost"] = found["totalCost"].to_decimal()
        assert found == session


def rebuilt_sessions(db: Any) -> dict[str, dict[str, Any]]:
    """Every session's sums from nothing but messages, versions, copies and calls."""
    sessions: dict[str, dict[str, Any]] = {}
    of_message = {}
    for message in db.messages_current.find():
        of_message[message["_id"]] = message["sessionId"]
        session = sessions.setdefault(message["sessionId"], _empty_session())
        session["messageCount"] += 1
        session["promptCount"] += bool(prompt_text(record_of(message)))
        _add_facts(session, message)
    for version in db.message_versions.find():
        of_message[version["_id"]] = version["sessionId"]
        session = sessions[version["sessionId"]]
        session["fileIds"].add(version["fileId"])
        if version["setAside"]["strategy"] == "replace":
            # It was part of the conversation once; models and times do not shrink again.
            _add_facts(session, version)
    for copy in db.message_copies.find():
        sessions[of_message[copy["messageId"]]]["fileIds"].add(copy["fileId"])
    for call in db.api_calls.find():
        _add_call(sessions[call["sessionId"]], call)
    for session in sessions.values():
        session.update(fileIds=sorted(session["fileIds"]), models=sorted(session["models"]))
    return sessions


def _add_facts(session: dict[str, Any], message: dict[str, Any]) -> None:
    session["fileIds"].add(message["fileId"])
    session["models"] |= {message["model"]} if message.get("model") else set()
    if at := message.get("timestamp"):
        session["startedAt"] = min(session["startedAt"] or at, at)
        session["endedAt"] = max(session["endedAt"] or at, at)


def _empty_session() -> dict[str, Any]:
    sums = dict.fromkeys(("messageCount", "promptCount", "callCount", "unpricedCalls", *TOKENS), 0)
    return {
        **sums,
        "totalCost": Decimal(0),
        "fileIds": set(),
        "models": set(),
        "startedAt": None,
        "endedAt": None,
    }


def _add_call(session: dict[str, Any], call: dict[str, Any]) -> None:
    session["callCount"] += 1
    if call["costUsd"] is None:
        session["unpricedCalls"] += 1
    else:
        session["totalCost"] += call["costUsd"].to_decimal()
    for name, kinds in TOKENS.items():
        session[name] += sum(call["usage"].get(kind, 0) for kind in kinds)


def check_projects(db: Any) -> None:
    expected: dict[Any, dict[str, Any]] = {}
    for session in db.sessions.find():
        stats = expected.setdefault(
            session["projectId"], {"sessions": 0, "messages": 0, "totalCost": Decimal(0), "unpricedCalls": 0}
        )
        stats["sessions"] += 1
        stats["messages"] += session["messageCount"]
        stats["totalCost"] += session["totalCost"].to_decimal()
        stats["unpricedCalls"] += session["unpricedCalls"]
    stored = {
        each["_id"]: {**each["stats"], "totalCost": each["stats"]["totalCost"].to_decimal()}
        for each in db.projects.find()
        if "stats" in each
    }
    assert stored == expected


def check_events(db: Any) -> None:
    """Positions without gaps, and the messages that they tell of."""
    events = list(db.events.find().sort("position", 1))
    assert [each["position"] for each in events] == list(range(1, len(events) + 1))
    changes = (
        each["inserted"] + each["updated"] - each["replaced"]
        if each["kind"] == "messages.imported"
        else each["restored"] - each["deleted"]
        for each in events
    )
    assert sum(changes) == db.messages_current.count_documents({})
    assert "rollingBack" not in (db.counters.find_one({"_id": "events"}) or {})


# ------------------------------------------------------------------ two archives side by side


def picture(db: Any) -> dict[str, Any]:
    """All that matters of an archive, without what differs from run to run (ids of files, times of writing)."""
    names = {each["_id"]: each["path"] for each in db.source_files.find()}
    return {
        "messages": {each["_id"]: _without_ids(each, names) for each in db.messages_current.find()},
        "copies": sorted(
            (names[each["fileId"]], each["seq"], each["messageId"]) for each in db.message_copies.find()
        ),
        "rejected": _rejected(db, names),
        "sessions": {
            each["_id"]: {**each, "fileIds": sorted(names[i] for i in each["fileIds"])}
            for each in _of_any_import(db.sessions)
        },
        "versions": {
            each["_id"]: _without_ids({**each, "setAside": each["setAside"]["winnerId"]}, names)
            for each in db.message_versions.find()
        },
        "projects": {each["_id"]: each for each in _of_any_import(db.projects)},
        "calls": {each["_id"]: each for each in _of_any_import(db.api_calls)},
        "files": {
            each["path"]: {
                name: each.get(name)
                for name in ("size", "sha256", "heldSize", "records", "rejected", "lines", "complete")
            }
            | {"copies": [copy["path"] for copy in each.get("copies", [])]}
            for each in db.source_files.find()
        },
        "bytes": {path: hashlib.sha256(data).hexdigest() for path, data in given_back(db).items()},
    }


def _of_any_import(collection: Any) -> Any:
    return collection.find({}, {"importId": 0})


def _without_ids(message: dict[str, Any], names: dict[Any, str]) -> str:
    kept = {name: value for name, value in message.items() if name not in ("importedAt", "importId")}
    return repr({**kept, "fileId": names[message["fileId"]]})


def _rejected(db: Any, names: dict[Any, str]) -> list[tuple[Any, ...]]:
    """Rejected chunks; the parts of an overlong line count as one."""
    found: dict[tuple[str, int], list[Any]] = {}
    for each in db.rejected_records.find({"superseded": {"$ne": True}}).sort(
        [("fileId", 1), ("seq", 1), ("part", 1)]
    ):
        row = found.setdefault((names[each["fileId"]], each["seq"]), [each["code"], b""])
        row[1] += each["raw"]
    return sorted((key, code, hashlib.sha256(raw).hexdigest()) for key, (code, raw) in found.items())


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first thing in which two pictures differ, "" for none."""
    for part, mine in one.items():
        theirs = other[part]
        if mine == theirs:
            continue
        if isinstance(mine, dict):
            keys = [key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key)]
            return f"{part}: {len(keys)} differ, such as {keys[0]!r}:\n{mine.get(keys[0])}\n{theirs.get(keys[0])}"
        return f"{part}: {[each for each in mine if each not in theirs][:2]} {[each for each in theirs if each not in mine][:2]}"
    return ""
