"""Who holds a job: claim, hold, heartbeat, and telling whether the holder is still alive.

One idiom: an UPDATE that matches only the row as it was seen; nothing matched means that somebody
else was there first. All times are the database's, so no two machines need the same clock.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.db.models import DateTimeField, ExpressionWrapper, F, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from jobs.models import Job
from jobs.states import ACTIVE, HELD, JobState

logger = logging.getLogger(__name__)

DATABASE_TROUBLE = (OperationalError, InterfaceError)


class NotClaimed(Exception):
    """Somebody else holds the job, or it has ended: there is nothing to do here."""


class LostClaim(Exception):
    """The job was claimed by somebody else meanwhile: stop at once and write nothing."""


class Cancelled(Exception):
    """A person asked for the job to stop."""


def setting(name: str, default: float) -> float:
    """A job setting, or its default where the site sets none."""
    return float(getattr(settings, f"CLAUDELENS_JOB_{name}", default))


def from_now(seconds: float) -> Combinable:
    """A time by the database's clock, ``seconds`` from now (or ago, when negative)."""
    delta = Value(timedelta(seconds=seconds))
    return ExpressionWrapper(Now() + delta, output_field=DateTimeField())


def lease_end() -> Combinable:
    """When a claim taken or renewed now runs out."""
    return from_now(setting("LEASE_SECONDS", 60))


def update_where(job: Job, condition: Q, **fields: Any) -> bool:
    """Change the row if it still meets ``condition``; every change moves ``seq`` on."""
    rows = type(job).objects.filter(condition, pk=job.pk)
    return bool(rows.update(**{"seq": F("seq") + 1, **fields}))


def claim(job: Job) -> int:
    """Take the job for this process and return the token that guards every later write.

    A job whose holder is known to be dead is free, whatever its lease says. Refreshes ``job`` from
    its row. Raises NotClaimed when it has ended or somebody holds it.
    """
    job.refresh_from_db()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    if holder_is_dead(job.holder):
        free |= Q(holder=job.holder)
    seen = Q(state=job.state, token=job.token, state__in=ACTIVE)
    if not update_where(job, seen & free, **_claim_fields(job)):
        raise NotClaimed(f"{job.kind} {job.pk} is {job.state} or held by another worker")
    job.refresh_from_db()
    return job.token


def _claim_fields(job: Job) -> dict[str, Any]:
    state = JobState.RUNNING if job.state == JobState.QUEUED else job.state
    return {
        "state": state,
        "token": job.token + 1,
        "attempts": F("attempts") + 1,
        "lease_until": lease_end(),
        "holder": this_process(),
        "started_at": job.started_at or Now(),
    }


def write_held(job: Job, token: int, **fields: Any) -> None:
    """Write to a job that is held under ``token``. Raises LostClaim when it no longer is."""
    if not update_where(job, Q(token=token, state__in=HELD), **fields):
        raise LostClaim(f"{job.kind} {job.pk} is no longer held under token {token}")


def this_process() -> str:
    """A name of this process that no other process ever has, on this or another machine."""
    return _name_of(os.getpid())


@cache
def _machine() -> str:
    """Host, boot and process namespace: within it a process id means one thing."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    boot_id = boot.read_text().strip() if boot.exists() else "-"
    space = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()[:100]}/{boot_id}/{space.readlink() if space.is_symlink() else '-'}"


def _name_of(pid: int) -> str:
    return f"{_machine()}/{pid}/{_started(pid)}"


def _started(pid: int) -> str:
    """When the process began, in ticks since boot; "" when there is none such."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    fields = stat.rsplit(b")", 1)[-1].split()
    return "" if fields[0] == b"Z" else fields[19].decode()


def holder_is_dead(holder: str) -> bool:
    """True only when the holder ran on this very machine and its process is gone.

    Lets the reaper resume a killed worker's job at once instead of waiting for its lease.
    """
    machine, _, process = holder.rpartition("/")[0].rpartition("/")
    if machine != _machine() or not process.isdigit() or not Path("/proc/self/stat").exists():
        return False
    return _name_of(int(process)) != holder


class Heartbeat:
    """Renews the lease from a thread of its own while the ``with`` block runs.

    Calls ``on_lost`` once when somebody else took the job, or when the database could not be
    reached for so long that the lease must be taken as lost.
    """

    def __init__(self, job: Job, token: int, on_lost: Callable[[], None]) -> None:
        self._job, self._token, self._on_lost = job, token, on_lost
        self._every = setting("HEARTBEAT_SECONDS", 10)
        self._patience = setting("LEASE_SECONDS", 60)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{job.pk}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=self._every)

    def _run(self) -> None:
        try:
            self._beat_until_stopped()
        finally:
            connection.close()

    def _beat_until_stopped(self) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(self._every):
            if self._renew():
                renewed = time.monotonic()
            elif self._stop.is_set() or time.monotonic() - renewed < self._patience:
                continue
            else:
                self._on_lost()
                return

    def _renew(self) -> bool:
        """True when the lease was renewed; False when the database did not answer."""
        held = type(self._job).objects.filter(pk=self._job.pk, token=self._token)
        try:
            matched = held.filter(state__in=HELD).update(lease_until=lease_end())
        except DATABASE_TROUBLE:
            logger.warning("heartbeat of job %s not written", self._job.pk, exc_info=True)
            connection.close()
            return False
        if not matched and not self._stop.is_set():
            self._on_lost()
            self._stop.set()
        return True
