"""The job row, its log lines, the notice of its end, and the keys that make a repeated request harmless.

The row is for people. How far a job truly is stands in its checkpoint, written with each batch.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Self

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.urls import NoReverseMatch, reverse

from jobs.states import ACTIVE, ICONS, RETRYABLE, JobState, exit_code

__all__ = [
    "IdempotencyKey",
    "Job",
    "JobLog",
    "JobQuerySet",
    "JobState",
    "LogLevel",
    "Notice",
    "find_job",
    "job_models",
    "jobs_before",
    "recent_jobs",
]

AnyUser = AbstractBaseUser | AnonymousUser
LOG_TEXT_MAX = 10_000


class JobQuerySet(models.QuerySet[Any]):
    """Jobs, and who may see them."""

    def visible_to(self, user: AnyUser | None) -> Self:
        """The user's own jobs; for a superuser every job."""
        if user is None or not user.is_authenticated:
            return self.none()
        if getattr(user, "is_superuser", False):
            return self.all()
        return self.filter(owner_id=user.pk)

    def active(self) -> Self:
        """Jobs that have not ended."""
        return self.filter(state__in=ACTIVE)


class Job(models.Model):
    """One piece of background work. A concrete job names its task, queue, kind and label.

    ``token`` grows with every claim: whoever holds an older one writes nothing any more.
    ``lease_until`` is how long the holder may stay silent. ``due_at`` is when the bell is rung
    (again) for a job that nobody holds. ``attempts`` counts the claims since the job last got
    further than ever before (``best_records``, ``best_bytes``), so only a job that keeps dying on
    the same spot runs out of them.
    """

    task_name: ClassVar[str] = ""
    queue: ClassVar[str] = "default"
    kind: ClassVar[str] = "job"
    label: ClassVar[str] = "Job"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=24, choices=JobState.choices, default=JobState.QUEUED)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    parameters = models.JSONField(default=dict, blank=True)

    counts = models.JSONField(default=dict, blank=True)
    phase = models.CharField(max_length=100, blank=True)
    bytes_done = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(null=True, blank=True)
    records_done = models.BigIntegerField(default=0)
    records_total = models.BigIntegerField(null=True, blank=True)
    rate = models.FloatField(null=True, blank=True)
    byte_rate = models.FloatField(null=True, blank=True)
    eta_seconds = models.FloatField(null=True, blank=True)
    seq = models.PositiveBigIntegerField(default=0)

    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    token = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    holder = models.CharField(max_length=255, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    best_records = models.BigIntegerField(default=0)
    best_bytes = models.BigIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "lease_until"], name="%(class)s_lease"),
            models.Index(fields=["owner", "-created_at"], name="%(class)s_mine"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """The job's page, or "" where its app has none."""
        try:
            return reverse(f"{self._meta.app_label}:detail", args=[self.pk])
        except NoReverseMatch:
            return ""

    @property
    def title(self) -> str:
        """What a person calls this job."""
        return f"{self.label} {str(self.pk)[:8]}"

    def is_visible_to(self, user: AnyUser) -> bool:
        """Whether the user may see this job: its owner and any superuser."""
        return bool(getattr(user, "is_superuser", False)) or (
            self.owner_id is not None and self.owner_id == user.pk
        )

    @property
    def is_finished(self) -> bool:
        """Whether the state is an end."""
        return self.state not in ACTIVE

    @property
    def can_cancel(self) -> bool:
        """Whether a cancel would still change anything."""
        return self.state in (JobState.QUEUED, JobState.RUNNING) and not self.cancel_requested

    @property
    def can_retry(self) -> bool:
        """Whether the job may be sent on its way again."""
        return self.state in RETRYABLE

    @property
    def can_roll_back(self) -> bool:
        """Whether what the job did may be undone; a kind that can do that says when."""
        return False

    @property
    def cancel_needs_worker(self) -> bool:
        """Whether a job that is cancelled while it waits has something to undo first."""
        return False

    @property
    def icon(self) -> str:
        """The state as one sign; always shown beside its word."""
        return ICONS[self.state]

    @property
    def exit_code(self) -> int:
        """What a command that ran this job returns to the shell."""
        return exit_code(self.state, self.error_code)

    @property
    def percent(self) -> float | None:
        """How much is done, by bytes, else by records; None when the total is unknown."""
        if self.state in (JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS):
            return 100.0
        if self.bytes_total:
            return min(100.0, 100.0 * self.bytes_done / self.bytes_total)
        if self.records_total:
            return min(100.0, 100.0 * self.records_done / self.records_total)
        return None

    @property
    def error(self) -> dict[str, str] | None:
        """Why the job ended without its result, and what to do next."""
        if not self.error_code:
            return None
        return {
            "code": self.error_code,
            "message": self.error_message,
            "hint": self.error_hint,
        }

    def snapshot(self) -> dict[str, Any]:
        """Everything a page shows of the job, JSON-able. A higher ``seq`` is a later one."""
        return {
            "id": str(self.pk),
            "seq": self.seq,
            "title": self.title,
            "url": self.get_absolute_url(),
            **self._state_fields(),
            **self._progress_fields(),
        }

    def _state_fields(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "state": self.state,
            "stateLabel": JobState(self.state).label,
            "stateIcon": self.icon,
            "isFinished": self.is_finished,
            "canCancel": self.can_cancel,
            "canRetry": self.can_retry,
            "canRollBack": self.can_roll_back,
            "error": self.error,
            "createdAt": _iso(self.created_at),
            "startedAt": _iso(self.started_at),
            "finishedAt": _iso(self.finished_at),
        }

    def _progress_fields(self) -> dict[str, Any]:
        return {
            "phase": self.phase,
            "counts": self.counts,
            "percent": self.percent,
            "bytesDone": self.bytes_done,
            "bytesTotal": self.bytes_total,
            "recordsDone": self.records_done,
            "recordsTotal": self.records_total,
            "rate": self.rate,
            "byteRate": self.byte_rate,
            "etaSeconds": self.eta_seconds,
        }

    def log(self, level: str, text: str) -> None:
        """Add one line to the job's log."""
        JobLog.objects.create(job_id=self.pk, level=level, text=text[:LOG_TEXT_MAX])

    def log_lines(self) -> "models.QuerySet[JobLog]":
        """The job's log, oldest line first."""
        return JobLog.objects.filter(job_id=self.pk)

    @property
    def told_as(self) -> str:
        """How the notice of its end begins, before the title."""
        return self.label

    def told_parameters(self) -> dict[str, Any]:
        """What was asked for, as the notice of its end tells it: names and plain values."""
        return dict(self.parameters)


class LogLevel(models.TextChoices):
    """How much a log line matters."""

    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"


class JobLog(models.Model):
    """One line that a job told about itself."""

    job_id = models.UUIDField(db_index=True)
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=8, choices=LogLevel.choices, default=LogLevel.INFO)
    text = models.TextField()

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        verbose_name = "log line"

    def __str__(self) -> str:
        return f"{self.level}: {self.text}"


class Notice(models.Model):
    """Tells a job's owner that it has ended, once for each end; or somebody of what is no job, under an id
    and a number that say what.

    ``mail_due_at`` is when it is sent by e-mail (again), empty when there is nothing to send;
    ``mail_tries`` counts how often that was tried.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    job_id = models.UUIDField()
    token = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=32)
    title = models.TextField()
    state = models.CharField(max_length=24)
    text = models.TextField(help_text="How it ended, in a sentence.")
    parameters = models.JSONField(default=dict)
    seconds = models.FloatField(help_text="How long the job took.")
    url = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    mail_due_at = models.DateTimeField(null=True, blank=True)
    mail_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["job_id", "token"], name="jobs_notice_once")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["owner", "-created_at"], condition=models.Q(seen_at=None), name="jobs_notice_unseen"
            ),
            models.Index(
                fields=["mail_due_at"], condition=models.Q(mail_due_at__isnull=False), name="jobs_notice_mail"
            ),
        ]

    def __str__(self) -> str:
        return self.text

    @property
    def is_of_job(self) -> bool:
        """Whether it tells the end of a job, and nothing else."""
        return self.kind in {model.kind for model in job_models()}


class IdempotencyKey(models.Model):
    """A request that a user marked with a key, and the answer it got.

    ``status`` is empty while the request is still at work.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    headers = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "key"], name="jobs_idempotency_key_once")
        ]

    def __str__(self) -> str:
        return self.key


def job_models() -> Iterator[type[Job]]:
    """Every concrete kind of job that is installed."""
    installed = apps.get_models()
    return (model for model in installed if issubclass(model, Job) and not model._meta.proxy)


def find_job(job_id: uuid.UUID | str) -> Job | None:
    """The job with this id, of whatever kind; None when there is none (or it is no id)."""
    try:
        wanted = uuid.UUID(str(job_id))
    except ValueError:
        return None
    for model in job_models():
        job: Job | None = model.objects.filter(pk=wanted).first()
        if job is not None:
            return job
    return None


def recent_jobs(user: AnyUser | None, limit: int = 5) -> list[Job]:
    """The newest jobs of every kind that the user may see, newest first."""
    return jobs_before(user, None, limit)


def jobs_before(user: AnyUser | None, last: Job | None, limit: int, *, state: str = "") -> list[Job]:
    """The jobs of every kind that follow ``last`` in order of age, newest first."""
    condition = models.Q(state=state) if state else models.Q()
    if last is not None:
        older = models.Q(created_at__lt=last.created_at)
        condition &= older | models.Q(created_at=last.created_at, id__lt=last.pk)
    found: list[Job] = []
    for model in job_models():
        found += model.objects.visible_to(user).filter(condition).select_related("owner")[:limit]
    return sorted(found, key=lambda job: (job.created_at, job.pk.int), reverse=True)[:limit]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
