"""The whole product as real processes: the web server, a Celery worker with beat, their own data."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from claudelens_site.embedded import free_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
SHORT_TIMES = {
    "CLAUDELENS_JOB_LEASE_SECONDS": "4",
    "CLAUDELENS_JOB_HEARTBEAT_SECONDS": "1",
    "CLAUDELENS_REAPER_SECONDS": "1",
    "CLAUDELENS_SCHEDULES_SECONDS": "2",
    "CLAUDELENS_MAIL_SECONDS": "2",
}
USER, PASSWORD = "admin", "admin-password"


@dataclass
class LiveSite:
    """A running site. ``env`` is what its processes got; pass it to subprocesses of your own."""

    data_dir: Path
    env: dict[str, str]
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str, timeout: float = 120, **kwargs) -> subprocess.CompletedProcess:
        """Run a management command to its end; its output is text."""
        kwargs.setdefault("capture_output", True)
        kwargs.setdefault("env", self.env)
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, text=True, timeout=timeout, cwd=ROOT, **kwargs)

    def start(self) -> None:
        """Migrate, make the administrator, start the web server and the worker."""
        made = self.manage("migrate", "--verbosity=0")
        assert made.returncode == 0, made.stderr
        made = self.manage(
            "createsuperuser", "--noinput", f"--username={USER}", "--email=admin@example.org",
            env=self.env | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        )
        assert made.returncode == 0 or "already taken" in made.stderr, made.stderr
        self.start_web()
        self.start_worker()

    def start_web(self) -> None:
        self._spawn("web", "-m", "claudelens_site.server", "--port", str(self.port))
        until(lambda: self._is_up() or self._ended("web"), 60, what="the web server answers")

    def start_worker(self) -> None:
        """Start the Celery worker (with beat in it) and wait until it takes tasks."""
        log_start = self._log("worker").stat().st_size if self._log("worker").exists() else 0
        self._spawn(
            "worker", "-m", "celery", "-A", "claudelens_site", "worker", "--beat", "--concurrency=2",
            "--loglevel=INFO", "--queues=imports,exports,maintenance,default", "--without-mingle",
            "--without-gossip", f"--schedule={self.data_dir / 'beat'}", f"--hostname=live-{self.port}@%h",
        )
        until(lambda: self._ready_since(log_start) or self._ended("worker"), 60, what="the worker is ready")

    def kill_worker(self, sign: int = signal.SIGKILL) -> None:
        """Kill the worker and all its children at once, as a power cut would."""
        self._kill("worker", sign)

    def kill_web(self, sign: int = signal.SIGKILL) -> None:
        self._kill("web", sign)

    def stop(self) -> None:
        for name in list(self.processes):
            self._kill(name, signal.SIGKILL)

    def log_text(self, name: str) -> str:
        """What a process ("web" or "worker") has printed so far."""
        return self._log(name).read_text(errors="replace")

    def _ready_since(self, start: int) -> bool:
        with self._log("worker").open("rb") as log:
            log.seek(start)
            return b" ready." in log.read()

    def _spawn(self, name: str, *arguments: str) -> None:
        with self._log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments],
                env=self.env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            )

    def _kill(self, name: str, sign: int) -> None:
        process = self.processes.pop(name, None)
        if process is None:
            return
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            pass
        process.wait(30)

    def _ended(self, name: str) -> bool:
        code = self.processes[name].poll()
        assert code is None, f"{name} ended with {code}:\n{self.log_text(name)[-3000:]}"
        return False

    def _log(self, name: str) -> Path:
        return self.data_dir / f"{name}.log"

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False


def environment(data_dir: Path, *, mongodb_url: str, database: str, redis_url: str) -> dict[str, str]:
    """What the processes of a live site get: nothing of the tests' own settings."""
    inherited = {
        name: value for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV"}
    }
    return inherited | SHORT_TIMES | {
        "CLAUDELENS_DATA_DIR": str(data_dir),
        "DATABASE_URL": f"sqlite:///{data_dir / 'live.sqlite3'}",
        "MONGODB_URL": mongodb_url,
        "MONGODB_DATABASE": database,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "only-for-live-tests-" + "x" * 50,
        "CLAUDELENS_ADMIN_USER": USER,
        "CLAUDELENS_ADMIN_PASSWORD": PASSWORD,
        "DJANGO_SETTINGS_MODULE": "claudelens_site.settings",
        "PYTHONUNBUFFERED": "1",
        "CLAUDELENS_MONGOD_CACHE_GB": "0.25",
    }
