"""Starts the site's processes, restarts one that dies, and stops all of them in order."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

POLL_SECONDS = 0.2
STOP_SECONDS = 30.0
STEADY_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
QUEUES = "imports,exports,maintenance,default"


CHILD_ENVIRONMENT = {
    "REMAP_SIGTERM": "SIGQUIT",  # Celery: end soon, not when all is done
    # Threads share their freed memory, and blocks larger than a fetch of messages go back at once: some ten
    # megabytes less a process. Giving back smaller ones costs a sixth of the time of whoever reads many.
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1310720",
    "MALLOC_TRIM_THRESHOLD_": "4194304",
}


@dataclass
class Child:
    """One process that is kept running. ``begun`` and ``wait`` are what its restarts go by."""

    name: str
    command: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    begun: float = 0.0
    wait: float = 1.0
    due: float = 0.0

    def start(self) -> None:
        """Start it in a group of its own, so that Ctrl-C reaches only the supervisor."""
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            env=os.environ | CHILD_ENVIRONMENT,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  (no threads here)
        )

    def stop(self) -> None:
        """Ask it to end, and after STOP_SECONDS make it."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def has_died(self) -> bool:
        """Whether it runs no more though nobody stopped it."""
        return self.process is not None and self.process.poll() is not None


@dataclass
class Supervisor:
    """The site's processes together. ``say`` prints one line for a person."""

    children: list[Child]
    say: Callable[[str], object]
    is_stopping: bool = field(default=False, init=False)

    def start(self) -> None:
        """Start all of them. Install the signal handlers first."""
        for child in self.children:
            child.start()

    def watch(self) -> None:
        """Keep them running until a signal says stop."""
        while not self.is_stopping:
            for child in self.children:
                self._look_after(child)
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop them, last started first."""
        for child in reversed(self.children):
            child.stop()

    def listen_to_signals(self) -> None:
        """From now on SIGINT and SIGTERM mean stop."""
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.is_stopping = True

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.has_died() and child.process is not None:
            steady = now - child.begun > STEADY_SECONDS
            child.wait = 1.0 if steady else min(child.wait * 2, LONGEST_WAIT_SECONDS)
            child.due = now + child.wait
            ending = _ending(child.process.returncode)
            self.say(f"{child.name} ended ({ending}); starting it again in {child.wait:.0f} s.")
            child.process = None
        elif child.process is None and now >= child.due:
            child.start()


def site_children(host: str, port: int, data_dir: Path) -> list[Child]:
    """The processes of the site: the web server, one worker for all queues, and beat."""
    python = sys.executable
    celery = [python, "-m", "celery", "--quiet", "--app", "claudelens_site"]
    web = ["-m", "claudelens_site.server", "--host", host, "--port", str(port)]
    worker = ["worker", f"--queues={QUEUES}", "--concurrency=2", "--loglevel=WARNING"]
    # A name of our own: two sites on one machine must not answer each other's control messages.
    worker += ["--without-gossip", "--without-mingle", f"--hostname=site-{port}@%h"]
    beat = ["beat", "--loglevel=WARNING", f"--pidfile={data_dir / 'beat.pid'}"]
    return [
        Child("The web server", [python, *web]),
        Child("The worker", [*celery, *worker]),
        Child("The scheduler", [*celery, *beat]),
    ]


def _ending(code: int) -> str:
    return f"exit {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _end_with_parent() -> None:
    # Should the supervisor be killed outright, the kernel ends its children.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
