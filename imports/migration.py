"""From a classic ClaudeLens database into the archive: read to files on this server, which are imported.

The database is only read. Its messages are written down, a file for each collection and a line for each
message, and these files are imported as any others. So it can be killed anywhere: what was written down is
not read again, what was imported is known. Whoever runs it later adds what is new.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import orjson
from django.conf import settings

from archive import claudelens_source, import_reports
from archive.claudelens_source import OldDatabase
from archive.errors import BadInput, Conflict
from imports import services
from imports.models import ImportJob
from imports.readers.claudelens_database import FORM
from imports.readers.claudelens_messages import NAME
from imports.room import paced
from jobs.progress import Progress
from jobs.reporters import Reporter
from jobs.states import DONE

READING = "reading the database"


@dataclass(frozen=True)
class Migration:
    """One database to be taken in. ``url`` has a password in it: it is kept nowhere and told to nobody."""

    url: str = field(repr=False)
    database: str
    server: str

    @property
    def folder(self) -> Path:
        """Where its messages are written down; the same for the same database."""
        key = hashlib.sha256(f"{self.server}/{self.database}".encode()).hexdigest()[:16]
        return Path(settings.CLAUDELENS_UPLOAD_DIR) / f"migration-{key}"

    @property
    def done(self) -> Path:
        """The files once all of the database is in them."""
        return self.folder / "read"

    @property
    def unfinished(self) -> Path:
        return self.folder / "reading"


@dataclass(frozen=True, slots=True)
class ReadStep:
    """How much of the database has been written down."""

    records_done: int
    bytes_done: int = 0
    phase: str = READING
    counts: dict[str, int] = field(default_factory=dict)


def find_migration(url: str, database: str = "") -> tuple[Migration, dict[str, Any]]:
    """The migration of this database, and what it holds: ``collections``, ``messages``, ``sessions``,
    ``projects``, ``costUsd``.

    :raises BadInput: it is no URL, no database of ClaudeLens, or holds no messages
    :raises Unavailable: the server does not answer
    """
    with claudelens_source.opened(url, database) as old:
        collections = old.collections()
        if not collections:
            raise BadInput(
                f"The database {old.name!r} holds no messages.",
                hint="Name the right one with --database.",
                code="nothing_to_import",
            )
        held = {"collections": collections, "messages": sum(collections.values()), **old.totals()}
        return Migration(url, old.name, old.server), held


def create_migration(owner: Any, migration: Migration, options: dict[str, Any]) -> ImportJob:
    """The import that takes the database in; no worker is told of the URL."""
    source = {
        "path": str(migration.done),
        "name": f"{migration.database} on {migration.server.replace('/', '-')}",
        "upload": None,
        "sha256": "",
        "bytes": 0,
        "hint": "Run manage.py migrate_claudelens again: it goes on where it stopped.",
    }
    return services.create_import(owner, sources=[source], options=options)


def run_migration(job: ImportJob, migration: Migration, reporter: Reporter | None = None) -> None:
    """Read the database, then import what was read. Afterwards the files are deleted, unless they are needed
    again: after a dry run, or for a retry.

    :raises Conflict: somebody else is reading the same database
    """
    with _only_one(migration):
        services.run_import(job, reporter, prepare=partial(_read, migration))
        job.refresh_from_db()
        if job.state in DONE and not job.is_dry_run:
            shutil.rmtree(migration.folder, ignore_errors=True)


def report_of(job: ImportJob) -> dict[str, Any]:
    """What the conversations of the migration hold and cost, counted by this archive."""
    return import_reports.sums(str(job.pk))


@contextmanager
def _only_one(migration: Migration) -> Iterator[None]:
    migration.folder.mkdir(parents=True, exist_ok=True)
    with migration.folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"The database {migration.database!r} is being read by another command.",
                hint="Wait for that one to end.",
                code="already_importing",
            ) from None
        yield


def _read(migration: Migration, progress: Progress) -> None:
    """Write down what is not written down yet, and give the files their place."""
    if migration.done.exists():
        migration.done.rename(migration.unfinished)
    migration.unfinished.mkdir(parents=True, exist_ok=True)
    with claudelens_source.opened(migration.url, migration.database) as old:
        progress.log("info", f"Reading the database {old.name} on {old.server}.")
        progress.phase(READING, records_total=sum(old.collections().values()))
        for step in paced(written_down(old, migration.unfinished / old.name), progress):
            progress.advance(step)
    migration.unfinished.rename(migration.done)


def written_down(old: OldDatabase, folder: Path) -> Iterator[ReadStep]:
    """Write the messages into a file for each collection, going on where an earlier run has stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for name in old.collections():
        with (folder / f"{name}.jsonl").open("a+b") as file:
            held, last = _held(file)
            count += held
            yield ReadStep(count)
            for batch in old.messages(name, last):
                file.write(b"".join(_line(name, each) for each in batch))
                file.flush()
                count += len(batch)
                yield ReadStep(count)


def _line(collection: str, told: dict[str, Any]) -> bytes:
    return orjson.dumps({NAME: FORM, "collection": collection, **told}) + b"\n"


def _held(file: IO[bytes]) -> tuple[int, str]:
    """How many whole lines a file has, and the ``_id`` of the last; a line that is cut off is taken away."""
    file.seek(0)
    count = size = 0
    last = b""
    for line in file:
        if not line.endswith(b"\n"):
            break
        count, size, last = count + 1, size + len(line), line
    file.truncate(size)
    return count, str(orjson.loads(last)["message"]["_id"]) if last else ""
