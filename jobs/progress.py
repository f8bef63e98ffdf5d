"""How far a job is: counted in the loop, written to its row and told to whoever watches.

At most two snapshots a second are written and sent, with a growing ``seq``; the last one always.
Telling is best effort: neither a lost Redis nor a busy SQL database ever fails a job.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.db.models.functions import Now
from redis.exceptions import RedisError

from archive.errors import ArchiveError
from jobs.claims import DATABASE_TROUBLE, Cancelled, LostClaim, update_where, write_held
from jobs.models import Job
from jobs.notices import tell_end
from jobs.rates import Rate, seconds_left
from jobs.reporters import NullReporter, Reporter
from jobs.states import JobState

logger = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 0.5
PAUSE_SECONDS = 1.0
BROADCAST_TROUBLE = (RedisError, ChannelFull, OSError)
BROADCAST_PAUSE_SECONDS = 15.0
PHASE_MAX = 100


local_runs: dict[uuid.UUID, threading.Event] = {}
"""Jobs that a command runs in this process; setting the event (Ctrl-C) cancels the job."""


class Step(Protocol):
    """What a loop advances by: where it stands now, counted from the job's beginning."""

    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def bytes_done(self) -> int: ...
    @property
    def records_done(self) -> int: ...
    @property
    def phase(self) -> str: ...


class Progress:
    """The hand that a running job is given: advance, check, log, and say how it ends."""

    def __init__(self, job: Job, reporter: Reporter | None = None) -> None:
        self.job = job
        self.token: int = job.token
        self.reporter: Reporter = reporter or NullReporter()
        undoing = job.state == JobState.ROLLING_BACK
        self.end_state = JobState.ROLLED_BACK if undoing else JobState.COMPLETED
        self._records, self._bytes = Rate(), Rate()
        self._lost = threading.Event()
        self.is_local = job.pk in local_runs
        self._cancelled = local_runs.get(job.pk) or threading.Event()
        self._next = 0.0

    def advance(self, step: Step) -> None:
        """Take over where the loop stands. Raises Cancelled or LostClaim when it must stop."""
        self.job.counts = dict(step.counts)
        self.job.bytes_done, self.job.records_done = step.bytes_done, step.records_done
        self.job.phase = (step.phase or self.job.phase)[:PHASE_MAX]
        self._remember_best()
        self.check()

    def phase(self, name: str, *, bytes_total: int | None = None, records_total: int | None = None) -> None:
        """Name what happens now, with the totals if they are known; None keeps the old ones."""
        self.job.phase = name[:PHASE_MAX]
        if bytes_total is not None:
            self.job.bytes_total = bytes_total
        if records_total is not None:
            self.job.records_total = records_total
        self.check()

    def log(self, level: str, text: str) -> None:
        """Add a line to the job's log, and tell the reporter."""
        try:
            self.job.log(level, text)
        except DATABASE_TROUBLE:
            logger.warning("job %s: log line not kept: %s", self.job.pk, text, exc_info=True)
        self.reporter.log(level, text)

    def check(self) -> None:
        """Publish when it is time. Cheap; call it at least every two seconds.

        Raises Cancelled when a person asked to stop, LostClaim when the job is no longer ours.
        """
        if self._lost.is_set():
            raise LostClaim(f"{self.job.kind} {self.job.pk} was taken over")
        self._stop_if_cancelled()
        if time.monotonic() >= self._next:
            self._publish()
            self._stop_if_cancelled()

    def pause_while(self, reason: Callable[[], str]) -> None:
        """Wait for as long as ``reason`` says why, alive and cancellable; "" goes on, at once or later.

        The phase tells the reason, the log tells it once. Raises as ``check``.
        """
        why = reason()
        if not why:
            return
        phase = self.job.phase
        self.log("warning", f"Paused: {why}.")
        while why:
            self.phase(f"paused: {why}")
            time.sleep(PAUSE_SECONDS)
            why = reason()
        self.log("info", "Going on.")
        self.phase(phase)

    def finish_with_errors(self) -> None:
        """Let the job end as completed_with_errors instead of completed."""
        self.end_state = JobState.COMPLETED_WITH_ERRORS

    def begin_rollback(self, reason: ArchiveError | None = None) -> None:
        """Undo from here on: the job is rolling_back, ends as rolled_back with the reason as its error, and
        ignores cancels. It counts how far it is anew."""
        self.job.state, self.end_state = JobState.ROLLING_BACK, JobState.ROLLED_BACK
        self.job.best_records = self.job.best_bytes = self.job.attempts = 0
        self._cancelled.clear()
        told = {} if reason is None else error_fields(reason)
        write_held(self.job, self.token, state=self.job.state, **told)
        self._next = 0.0

    def stop_as_lost(self) -> None:
        """Make the next check raise LostClaim. Called from the heartbeat's thread."""
        self._lost.set()

    def finish(self, state: JobState, **fields: Any) -> None:
        """Write and tell the end. Raises LostClaim, having written nothing, when not ours."""
        end = {**self._figures(), **_CLOSING, "state": state, "finished_at": Now(), **fields}
        write_held(self.job, self.token, **end)
        self.job.refresh_from_db()
        tell_end(self.job)
        broadcast(self.job, insist=True)
        self.reporter.finish(self.job.snapshot())

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set() and self.job.state != JobState.ROLLING_BACK:
            raise Cancelled(f"{self.job.kind} {self.job.pk} was cancelled")

    def _remember_best(self) -> None:
        """A job that gets further than ever has earned its attempts back."""
        job = self.job
        if job.records_done > job.best_records or job.bytes_done > job.best_bytes:
            job.best_records = max(job.best_records, job.records_done)
            job.best_bytes = max(job.best_bytes, job.bytes_done)
            job.attempts = 0

    def _publish(self) -> None:
        self._measure()
        try:
            write_held(self.job, self.token, **self._figures())
            self._read_wishes()
        except DATABASE_TROUBLE:
            logger.warning("progress of job %s not written", self.job.pk, exc_info=True)
        else:
            broadcast(self.job)
        self.reporter.update(self.job.snapshot())
        self._next = time.monotonic() + SNAPSHOT_SECONDS

    def _read_wishes(self) -> None:
        self.job.refresh_from_db(fields=["seq", "state", "cancel_requested"])
        if self.job.cancel_requested:
            self._cancelled.set()

    def _measure(self) -> None:
        job, now = self.job, time.monotonic()
        self._records.sample(job.records_done, now)
        self._bytes.sample(job.bytes_done, now)
        job.rate, job.byte_rate = self._records.value, self._bytes.value
        job.eta_seconds = seconds_left(job.bytes_done, job.bytes_total, job.byte_rate)
        if job.eta_seconds is None:
            job.eta_seconds = seconds_left(job.records_done, job.records_total, job.rate)

    def _figures(self) -> dict[str, Any]:
        return {name: getattr(self.job, name) for name in _FIGURES}


_CLOSING = {"lease_until": None, "due_at": None, "holder": "", "eta_seconds": None}
_FIGURES = (
    "counts",
    "phase",
    "bytes_done",
    "bytes_total",
    "records_done",
    "records_total",
    "rate",
    "byte_rate",
    "eta_seconds",
    "attempts",
    "best_records",
    "best_bytes",
)


def error_fields(error: ArchiveError) -> dict[str, str]:
    """A refusal as a job's row tells it."""
    return {"error_code": error.code, "error_message": error.message, "error_hint": error.hint}


def change(job: Job, condition: Any, **fields: Any) -> bool:
    """Compare-and-set on a row by somebody who does not hold it; told to watchers if it matched."""
    if not update_where(job, condition, **fields):
        return False
    job.refresh_from_db()
    tell_end(job)
    broadcast(job, insist=True)
    return True


def job_group(job_id: object) -> str:
    """The channel-layer group of those who watch one job."""
    return f"job.{job_id}"


def list_group(owner_id: object) -> str:
    """The group of those who watch all jobs of one owner; of None: every job there is."""
    return "jobs.all" if owner_id is None else f"jobs.owner.{owner_id}"


class Silence:
    """A while in which a server that did not answer is not asked again."""

    _until = 0.0

    def holds(self) -> bool:
        return time.monotonic() < self._until

    def begin(self) -> None:
        self._until = time.monotonic() + BROADCAST_PAUSE_SECONDS


_silence = Silence()


def broadcast(job: Job, *, insist: bool = False) -> None:
    """Send the job's snapshot to whoever watches. Never raises when nobody can be told.

    After a failure nothing is tried for a while, so that a dead Redis does not slow a job down;
    ``insist`` tries all the same (the end of a job, and what a person has just asked for).
    """
    layer = get_channel_layer()
    if layer is None or (_silence.holds() and not insist):
        return
    try:
        async_to_sync(_send)(layer, job)
    except BROADCAST_TROUBLE as trouble:
        if not _silence.holds():
            logger.warning("progress of job %s not broadcast: %s", job.pk, trouble)
        _silence.begin()


async def _send(layer: Any, job: Job) -> None:
    groups = {job_group(job.pk), list_group(None)}
    if job.owner_id is not None:
        groups.add(list_group(job.owner_id))
    for group in groups:
        await layer.group_send(group, {"type": "job.snapshot", "snapshot": job.snapshot()})
