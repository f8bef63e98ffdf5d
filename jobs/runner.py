"""Starts, runs, ends, cancels, retries and rescues jobs. Here is the one broad ``except``.

A task only rings the bell: it carries the job's id, is acknowledged early, and may be lost or
delivered many times. The row decides: whoever claims it runs it, everybody else returns.
"""

import logging
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError

from archive.errors import ArchiveError, Conflict, Unavailable
from jobs.claims import (
    DATABASE_TROUBLE,
    Cancelled,
    Heartbeat,
    LostClaim,
    NotClaimed,
    claim,
    from_now,
    holder_is_dead,
    setting,
    update_where,
)
from jobs.models import Job, JobState, job_models
from jobs.progress import Progress, change, error_fields, local_runs
from jobs.reporters import NullReporter, Reporter
from jobs.states import HELD, RETRYABLE, UNDOABLE

__all__ = [
    "Cancelled",
    "LostClaim",
    "NotClaimed",
    "enqueue",
    "held_back",
    "reap",
    "request_cancel",
    "retry",
    "run_delivered",
    "run_now",
    "running",
    "send_to_roll_back",
]

logger = logging.getLogger(__name__)

AnyJob = TypeVar("AnyJob", bound=Job)

RING_AGAIN_SECONDS = 60.0
"""A job that nobody has claimed for so long after the bell was rung is rung for again."""
ORPHANED_SECONDS = 600.0
"""A queued job for which the bell was never rung (its creator died) is rung for after this."""
BACK_OFF_SECONDS = 5.0
IMPATIENT = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "connect_retries_timeout": 1}
"""Nobody waits in a request for a broker that is down: the reaper rings later."""
BROKER_TROUBLE = (BrokerError, OSError)


def enqueue(job: Job) -> None:
    """Have a worker run the job once the current transaction is committed.

    Never fails for want of a broker: the row is queued, and the reaper rings again.
    """
    if _held_back.get():
        return
    update_where(job, Q(state=JobState.QUEUED), due_at=from_now(RING_AGAIN_SECONDS))
    transaction.on_commit(partial(_announce, job))


@contextmanager
def held_back() -> Iterator[None]:
    """Let no worker be told of what is enqueued in the block: this process will run it itself."""
    mark = _held_back.set(True)
    try:
        yield
    finally:
        _held_back.reset(mark)


_held_back: ContextVar[bool] = ContextVar("held_back", default=False)


def _announce(job: Job) -> None:
    change(job, Q(state=JobState.QUEUED))
    _ring(job)


def _ring(job: Job) -> None:
    try:
        with current_app.connection_for_write(transport_options=IMPATIENT) as connection:
            current_app.send_task(
                job.task_name,
                args=[str(job.pk)],
                queue=job.queue,
                retry=False,
                ignore_result=True,
                connection=connection,
            )
    except BROKER_TROUBLE as trouble:
        logger.warning("%s %s not sent, the reaper will: %s", job.kind, job.pk, trouble)
        update_where(job, Q(state=JobState.QUEUED), due_at=Now())


@contextmanager
def running(job: Job, reporter: Reporter | None = None) -> Iterator[Progress]:
    """Hold the job while the ``with`` block runs, and write how it ended.

    Raises NotClaimed, having changed nothing, when somebody else holds the job or it has ended.
    Everything that is raised inside the block is turned into the job's end and goes no further,
    except KeyboardInterrupt and SystemExit: those give the job back to the queue and go on.
    """
    claim(job)
    progress = Progress(job, reporter)
    try:
        with Heartbeat(job, progress.token, progress.stop_as_lost):
            yield progress
        _settle(progress, progress.end_state)
    except (KeyboardInterrupt, SystemExit):
        _give_back(progress)
        raise
    except Exception as error:
        _end(progress, error)


def _end(progress: Progress, error: Exception) -> None:
    """Failed is our refusal, transient trouble is tried again, anything else is a bug."""
    match error:
        case LostClaim():
            logger.warning("stopped: %s", error)
        case Cancelled():
            _settle(progress, JobState.CANCELLED)
        case Unavailable() if _may_try_again(progress):
            _put_back(progress, error.message)
        case ArchiveError():
            _settle(progress, JobState.FAILED, **error_fields(error))
        case _ if isinstance(error, DATABASE_TROUBLE) and _may_try_again(progress):
            _put_back(progress, str(error))
        case _:
            logger.error("%s %s errored", progress.job.kind, progress.job.pk, exc_info=error)
            _settle(progress, JobState.ERRORED, **_bug(error))


def _bug(error: Exception) -> dict[str, str]:
    return {
        "error_code": "internal_error",
        "error_message": f"The job stopped at an unexpected {type(error).__name__}.",
        "error_hint": "This is a bug. The traceback is kept with the job for the administrator.",
        "traceback": "".join(traceback.format_exception(error)),
    }


def _settle(progress: Progress, state: JobState, **fields: str) -> None:
    """Write the end, unless the job was lost meanwhile."""
    if message := fields.get("error_message"):
        progress.log("error", message)
    try:
        progress.finish(state, **fields)
    except LostClaim as lost:
        logger.warning("end not written: %s", lost)


def _may_try_again(progress: Progress) -> bool:
    return not progress.is_local and progress.job.attempts < setting("MAX_ATTEMPTS", 3)


def _put_back(progress: Progress, reason: str) -> None:
    """Queue the job again after transient trouble; the reaper rings when its time has come."""
    wait = BACK_OFF_SECONDS * 2.0 ** max(0, progress.job.attempts - 1)
    progress.log("warning", f"{reason} Trying again in {wait:.0f} s.")
    _release(progress, due_at=from_now(wait), attempts=progress.job.attempts)


def _give_back(progress: Progress) -> None:
    """Queue the job at once: this worker is shutting down, which is no fault of the job."""
    _release(progress, due_at=Now(), attempts=max(0, progress.job.attempts - 1))


def _release(progress: Progress, **fields: Any) -> None:
    state = JobState.QUEUED if progress.job.state == JobState.RUNNING else progress.job.state
    held = Q(token=progress.token, state__in=HELD)
    change(progress.job, held, state=state, lease_until=None, holder="", **fields)


def run_delivered(model: type[AnyJob], job_id: str, run: Callable[[AnyJob], None]) -> None:
    """What a task does: run the job if it is there and free, however often it is delivered."""
    job = model.objects.filter(pk=job_id).first()
    if job is None:
        logger.warning("%s %s is gone, nothing to run", model.kind, job_id)
        return
    try:
        run(job)
    except NotClaimed as reason:
        logger.info("not run: %s", reason)


def run_now(job: AnyJob, run: Callable[[AnyJob, Reporter], None], reporter: Reporter | None = None) -> AnyJob:
    """Run the job in this process (a management command) and return it as it ended.

    The first Ctrl-C cancels it at its next check, a second one at once. Transient trouble is not
    tried again here: the job fails, and ``job.exit_code`` says 75. Raises Conflict when a worker
    holds the job.
    """
    with _interrupt_cancels(job):
        try:
            run(job, reporter or NullReporter())
        except NotClaimed as reason:
            raise Conflict(
                f"{job.title} is not waiting to be run: it has ended, or another process runs it.",
                hint="Look at the job's page to see how far it is.",
                code="job_is_running",
            ) from reason
        except KeyboardInterrupt:
            request_cancel(job)
    job.refresh_from_db()
    return job


@contextmanager
def _interrupt_cancels(job: Job) -> Iterator[None]:
    """SIGINT and SIGTERM set the job's event; the next one interrupts at once."""
    local_runs[job.pk] = asked = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    in_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if in_main else ()
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        del local_runs[job.pk]


def request_cancel(job: Job) -> None:
    """Ask the job to stop: a waiting one is cancelled at once, a running one within 5 s.

    Refreshes ``job``. Raises Conflict when it has already ended or is undoing its work.
    """
    waiting = Q(state=JobState.QUEUED)
    undo_first = waiting & Q(started_at__isnull=False) if job.cancel_needs_worker else Q(pk=None)
    asked = {"state": JobState.CANCELLING, "cancel_requested": True}
    if change(job, Q(state=JobState.RUNNING), **asked):
        return
    if change(job, undo_first, **asked, due_at=from_now(RING_AGAIN_SECONDS)):
        transaction.on_commit(partial(_ring, job))
        return
    if change(job, waiting, **_cancelled_fields()) or _is_cancelled(job):
        return
    raise Conflict(
        f"{job.title} can no longer be cancelled: it is {job.get_state_display().lower()}.",
        code="job_not_cancellable",
    )


def _cancelled_fields() -> dict[str, Any]:
    return {
        "state": JobState.CANCELLED,
        "cancel_requested": True,
        "finished_at": Now(),
        "token": F("token") + 1,
        "due_at": None,
    }


def _is_cancelled(job: Job) -> bool:
    """Asking twice is no error."""
    job.refresh_from_db()
    return job.state in (JobState.CANCELLING, JobState.CANCELLED)


def retry(job: Job) -> None:
    """Queue a failed, errored or cancelled job again; it goes on from its checkpoint.

    Refreshes ``job``. Raises Conflict when the job is in any other state.
    """
    try:
        with transaction.atomic():
            queued = change(job, Q(state__in=RETRYABLE), **_fresh_start())
    except IntegrityError as twin:
        raise Conflict(
            f"{job.title} cannot be run again: another job is at work on the same input.",
            hint="Wait for that one to end.",
            code="job_not_retryable",
        ) from twin
    if not queued:
        job.refresh_from_db()
        raise Conflict(
            f"{job.title} cannot be run again: it is {job.get_state_display().lower()}.",
            hint="Only failed, errored and cancelled jobs can be run again.",
            code="job_not_retryable",
        )
    enqueue(job)


def send_to_roll_back(job: Job) -> None:
    """Have a worker undo what the job did.

    Refreshes ``job``. Raises Conflict when it is at work still, was undone before, or another job works on
    the same input.
    """
    undoing = {**_fresh_start(), "state": JobState.ROLLING_BACK, "best_records": 0, "best_bytes": 0}
    try:
        with transaction.atomic():
            sent = change(job, Q(state__in=UNDOABLE), **undoing, due_at=from_now(RING_AGAIN_SECONDS))
    except IntegrityError as twin:
        raise Conflict(
            f"{job.title} cannot be rolled back now: another job is at work on the same input.",
            hint="Wait for that one to end.",
            code="job_not_undoable",
        ) from twin
    if not sent:
        job.refresh_from_db()
        raise Conflict(
            f"{job.title} cannot be rolled back: it is {job.get_state_display().lower()}.",
            hint="Only jobs that have ended can be rolled back, once.",
            code="job_not_undoable",
        )
    if not _held_back.get():
        transaction.on_commit(partial(_ring, job))


def _fresh_start() -> dict[str, Any]:
    texts = ("error_code", "error_message", "error_hint", "traceback", "phase", "holder")
    return {
        "state": JobState.QUEUED,
        "finished_at": None,
        "lease_until": None,
        "attempts": 0,
        "cancel_requested": False,
        **dict.fromkeys(texts, ""),
    }


def reap() -> int:
    """Ring again for every job that should be at work and is not; return for how many.

    These are queued jobs whose bell nobody answered, and jobs whose holder has died (its lease
    has passed, or its process on this machine is gone). Any number of reapers may run at once.
    """
    return sum(_rescue(job) for model in job_models() for job in _stranded(model))


def _stranded(model: type[Job]) -> list[Job]:
    unheld = Q(lease_until__isnull=True)
    unanswered = unheld & Q(due_at__lt=Now())
    orphaned = unheld & Q(due_at__isnull=True, created_at__lt=from_now(-ORPHANED_SECONDS))
    expired = Q(lease_until__lt=Now())
    active = model.objects.active()
    overdue = list(active.filter(unanswered | orphaned | expired))
    held = active.filter(lease_until__gte=Now())
    return overdue + [job for job in held if holder_is_dead(job.holder)]


def _rescue(job: Job) -> bool:
    """Take the job from whoever had it, then ring for it; one that keeps dying is failed."""
    seen = Q(state=job.state, token=job.token, lease_until=job.lease_until)
    if job.lease_until is None:
        seen = Q(state=job.state, token=job.token, lease_until__isnull=True)
    free = {"token": job.token + 1, "lease_until": None, "holder": ""}
    if job.attempts >= setting("MAX_ATTEMPTS", 3):
        change(job, seen, **free, **_gave_up(job))
        return False
    state = JobState.QUEUED if job.state == JobState.RUNNING else job.state
    if not change(job, seen, **free, state=state, due_at=from_now(RING_AGAIN_SECONDS)):
        return False
    _ring(job)
    return True


def _gave_up(job: Job) -> dict[str, Any]:
    return {
        "state": JobState.FAILED,
        "finished_at": Now(),
        "error_code": "gave_up",
        "error_message": (f"The worker died {job.attempts} times in a row without getting any further."),
        "error_hint": (
            "Look at the worker's log and at the free memory and disk of the server, "
            "then run the job again: it goes on where it stopped."
        ),
    }
