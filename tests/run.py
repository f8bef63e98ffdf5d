"""One test run: its folder and its pair of embedded servers, shared by all xdist workers.

The first process (xdist's controller, or the only one) chooses the folder and says so in the
environment, which the workers inherit. The servers start when the first test needs them.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from claudelens_site import embedded

VARIABLE = "CLAUDELENS_TEST_RUN"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "master")
WORKER_NUMBER = int(WORKER.removeprefix("gw")) + 1 if WORKER.startswith("gw") else 0
DATABASE = f"test_claudelens_{WORKER}"
LIVE_DATABASE = f"test_live_{WORKER}"


RAM = Path("/dev/shm")
ROOM_BYTES = 4 * 1024**3


def place() -> str | None:
    """Where the folder of a run is made: on the RAM disk where there is one with room, since servers that sync
    each write are what tests wait for most; ``TMPDIR`` says otherwise."""
    if "TMPDIR" in os.environ or not os.access(RAM, os.W_OK) or shutil.disk_usage(RAM).free < ROOM_BYTES:
        return None
    memory = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(memory["MemAvailable"].removesuffix("kB")) * 1024
    return str(RAM) if available >= 2 * ROOM_BYTES else None


def folder() -> Path:
    """The folder of this run."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = f"{tempfile.mkdtemp(prefix='claudelens-test-', dir=place())}:{os.getpid()}"
        atexit.register(clean_up)  # also where pytest ends before it has begun
    return Path(os.environ[VARIABLE].rpartition(":")[0])


def is_owner() -> bool:
    """Whether this process has to clean up."""
    return os.environ.get(VARIABLE, "").endswith(f":{os.getpid()}")


def servers_folder() -> Path:
    return folder() / "servers"


def planned_urls() -> embedded.Urls:
    """Where the servers of this run are or will be: the ports are chosen before anything starts."""
    data_dir = servers_folder()
    data_dir.mkdir(exist_ok=True)
    if is_owner() and not (data_dir / "services.json").exists():
        ports = {name: embedded.ServerState(name, embedded.free_port(), 0) for name in embedded.URL_FORMS}
        embedded._write(data_dir, ports)
    return embedded.known_urls(data_dir)


def start_servers() -> embedded.Servers:
    """The servers of this run; they stay until the owner cleans up."""
    os.environ["CLAUDELENS_MONGOD_CACHE_GB"] = "0.25"
    for name in embedded.URL_VARIABLES.values():
        os.environ.pop(name, None)  # else it would look like a server of somebody else's
    servers = embedded.ensure_running(servers_folder())
    embedded.keep(servers_folder(), running=True)
    # Each worker has a Redis database of its own.
    os.environ["REDIS_URL"] = redis_url(WORKER_NUMBER)
    return servers


def redis_url(number: int) -> str:
    """The URL of one Redis database of this run's server."""
    return planned_urls().redis_url.rpartition("/")[0] + f"/{number}"


def clean_up() -> None:
    """Stop the servers and delete the folder (the owner only)."""
    if not is_owner() or not folder().exists():
        return
    embedded.keep(servers_folder(), running=False)
    embedded.stop_unused(servers_folder())
    shutil.rmtree(folder(), ignore_errors=True)
