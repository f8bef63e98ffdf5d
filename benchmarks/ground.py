"""Where it is measured: servers of its own in a temporary folder, and a fresh process for every run."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from claudelens_site import embedded
from claudelens_site.supervisor import CHILD_ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
CHILD_SECONDS = 3600


class RunFailedError(RuntimeError):
    """A measured process ended badly; the message holds the end of what it printed."""


@dataclass
class Ground:
    """A pair of servers, and databases of our own in it."""

    folder: Path
    servers: embedded.Servers
    prefix: str = field(default_factory=lambda: f"bench_{os.getpid()}")

    def database_name(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def database(self, name: str) -> Database[dict[str, Any]]:
        client: MongoClient[dict[str, Any]] = MongoClient(self.servers.mongodb_url, tz_aware=True)
        return client[self.database_name(name)]

    def drop(self, *names: str) -> None:
        """Delete databases of ours, whether they are there or not."""
        with MongoClient[dict[str, Any]](self.servers.mongodb_url) as client:
            for name in names:
                client.drop_database(self.database_name(name))

    def drop_all(self) -> None:
        with MongoClient[dict[str, Any]](self.servers.mongodb_url) as client:
            for name in client.list_database_names():
                if name.startswith(f"{self.prefix}_"):
                    client.drop_database(name)

    def remove(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    @property
    def mongod_pid(self) -> int | None:
        """The process of the embedded server; None where the server is somebody else's."""
        state = embedded.states(self.servers.data_dir).get("mongodb")
        return state.pid if state and state.url == self.servers.mongodb_url else None

    def environment(self, database: str, data_dir: Path | None = None) -> dict[str, str]:
        """What ``manage.py up`` gives a process of the product: nothing of the settings around us."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        own = data_dir or self.folder / "site"
        own.mkdir(exist_ok=True)
        return inherited | CHILD_ENVIRONMENT | {
            "CLAUDELENS_DATA_DIR": str(own),
            "DATABASE_URL": f"sqlite:///{own / 'bench.sqlite3'}",
            "MONGODB_URL": self.servers.mongodb_url,
            "MONGODB_DATABASE": self.database_name(database),
            "REDIS_URL": self.servers.redis_url,
            "SECRET_KEY": "only-for-benchmarks-" + "x" * 50,
            "DJANGO_SETTINGS_MODULE": "claudelens_site.settings",
            "CLAUDELENS_LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }

    def run(
        self, way: str, *, database: str, data_dir: Path | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Measure ``way`` (see ``child.WAYS``) in a fresh process. Raises ``RunFailedError``."""
        ended = subprocess.run(
            self.command(way, **arguments),
            env=self.environment(database, data_dir),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=CHILD_SECONDS,
            check=False,
        )
        if ended.returncode:
            raise RunFailedError(f"{way} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
        return dict(json.loads(ended.stdout.splitlines()[-1]))

    def command(self, way: str, **arguments: Any) -> list[str]:
        asked = json.dumps({"server_pid": self.mongod_pid, **arguments})
        return [sys.executable, "-m", "benchmarks.child", way, asked]


@contextmanager
def ground() -> Iterator[Ground]:
    """Servers in a temporary folder, or those that the environment names; nothing of ours stays behind."""
    folder = Path(tempfile.mkdtemp(prefix="claudelens-bench-"))
    try:
        servers = embedded.ensure_running(folder / "servers")
        here = Ground(folder, servers)
        try:
            yield here
        finally:
            here.drop_all()
            servers.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
