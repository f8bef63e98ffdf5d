"""Notices: the owner of a job that took long is told of its end, on every page and by e-mail.

A notice is written where the end is written, once for each end. It is also the outbox of the e-mail: a task
sends what is due, so no job ever waits for a mail server, and nothing is lost while there is none.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from smtplib import SMTPException
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.mail import BadHeaderError, EmailMessage
from django.core.validators import validate_email
from django.db import Error, transaction
from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import Now
from django.utils import timezone

from archive.errors import NotFound
from jobs.claims import from_now
from jobs.models import AnyUser, Job, JobState, Notice
from jobs.wording import counts_in_words, human_seconds, parameters_in_words

logger = logging.getLogger(__name__)

KEPT_DAYS = 30
SHOWN = 3
MAIL_TRIES = 4
MAIL_AGAIN_SECONDS = 60.0
MAILS_AT_ONCE = 50
SUBJECT_MAX = 150
MAIL_TROUBLE = (SMTPException, OSError, BadHeaderError)

ENDS: dict[str, str] = {
    JobState.COMPLETED: "has ended",
    JobState.COMPLETED_WITH_ERRORS: "has ended with errors",
    JobState.FAILED: "has failed",
    JobState.ERRORED: "was stopped by a bug",
    JobState.CANCELLED: "was cancelled",
    JobState.ROLLED_BACK: "was rolled back",
}


def tell_end(job: Job) -> None:
    """Leave its owner a notice if the job has ended and took long. Repeatable; never raises."""
    if not job.is_finished or job.started_at is None or job.finished_at is None:
        return
    seconds = (job.finished_at - job.started_at).total_seconds()
    if job.owner_id is None or seconds < settings.CLAUDELENS_NOTIFY_AFTER_SECONDS:
        return
    try:
        with transaction.atomic():
            Notice.objects.bulk_create([_notice(job, job.owner_id, seconds)], ignore_conflicts=True)
    except Error:
        logger.warning("no notice of the end of %s %s", job.kind, job.pk, exc_info=True)


@dataclass(frozen=True, kw_only=True)
class Told:
    """Something that a person should know and that is the end of no job. ``about`` and ``number`` tell it
    from all others: what is told again under both is told once."""

    about: UUID
    number: int
    kind: str
    title: str
    text: str
    parameters: dict[str, Any] = field(default_factory=dict)
    url: str = ""


def tell(owner_id: int, told: Told) -> None:
    """Leave somebody a notice that something went wrong, however long it took. Repeatable."""
    notice = Notice(owner_id=owner_id, job_id=told.about, token=told.number, state=JobState.FAILED, seconds=0)
    for name in ("kind", "title", "text", "parameters", "url"):
        setattr(notice, name, getattr(told, name))
    notice.mail_due_at = from_now(0) if _wants_mail(owner_id) else None
    Notice.objects.bulk_create([notice], ignore_conflicts=True)


def _notice(job: Job, owner_id: int, seconds: float) -> Notice:
    return Notice(
        owner_id=owner_id,
        job_id=job.pk,
        token=job.token,
        kind=job.kind,
        title=job.title,
        state=job.state,
        text=end_in_words(job),
        parameters=job.told_parameters(),
        seconds=seconds,
        url=job.get_absolute_url(),
        mail_due_at=from_now(0) if _wants_mail(owner_id) else None,
    )


def end_in_words(job: Job) -> str:
    """``Import “a.zip” has ended: 1,234 new, 5 rejected.``; of a failure the reason, then what was done."""
    undone = job.state == JobState.ROLLED_BACK
    counts = counts_in_words(job.counts) if any(job.counts.values()) and not undone else ""
    ended = f"{job.told_as} “{job.title}” {ENDS[job.state]}"
    if not job.error_message:
        return f"{ended}: {counts}." if counts else f"{ended}."
    return f"{ended}: {job.error_message}" + (f" Until then: {counts}." if counts else "")


def _wants_mail(owner_id: int) -> bool:
    """Whether e-mail is set up and the owner has an address that can be written to."""
    if not (settings.CLAUDELENS_EMAIL_URL and settings.CLAUDELENS_NOTIFY_EMAIL):
        return False
    users = get_user_model().objects.filter(pk=owner_id, is_active=True)
    try:
        validate_email(users.values_list("email", flat=True).first())
    except ValidationError:
        return False
    return True


@dataclass(frozen=True)
class Unseen:
    """The newest notices that a user has not seen, and how many more there are."""

    newest: Sequence[Notice]
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.newest)


def unseen(user: AnyUser) -> Unseen:
    """What the pages show this user. One query."""
    if not user.is_authenticated:
        return Unseen([])
    mine = Notice.objects.filter(owner_id=user.pk, seen_at=None)
    newest = list(mine.annotate(of=Window(Count("pk")))[:SHOWN])
    return Unseen(newest, newest[0].of - len(newest) if newest else 0)


def see(user: AnyUser, notice_id: int) -> Notice:
    """Mark one of the user's notices as seen; again is no error. Raises NotFound."""
    notice = Notice.objects.filter(owner_id=user.pk, pk=notice_id).first()
    if notice is None:
        raise NotFound("There is no such notice.")
    if _mark(Notice.objects.filter(pk=notice.pk)):
        notice.refresh_from_db()
    return notice


def see_all(user: AnyUser) -> int:
    """Mark all of the user's notices as seen; returns how many were not yet."""
    return _mark(Notice.objects.filter(owner_id=user.pk))


def see_job(user: AnyUser, job: Job) -> None:
    """Its owner has opened the page of a job: its notices say nothing new."""
    if job.is_finished and job.owner_id == user.pk:
        _mark(Notice.objects.filter(owner_id=user.pk, job_id=job.pk))


def _mark(notices: "QuerySet[Notice]") -> int:
    return notices.filter(seen_at=None).update(seen_at=Now())


def expire_notices() -> int:
    """Delete notices that are older than 30 days; returns how many."""
    deleted, _ = Notice.objects.filter(created_at__lt=timezone.now() - timedelta(days=KEPT_DAYS)).delete()
    return deleted


def send_due() -> int:
    """Send the e-mails that are due; returns how many were sent.

    Each is taken by compare-and-set before it is sent, and is due again later unless it got through: sent
    once where nothing fails, at most four times tried. Stops at the first failure of the server.
    """
    sent = 0
    for notice in Notice.objects.filter(mail_due_at__lte=from_now(0)).select_related("owner")[:MAILS_AT_ONCE]:
        if not _take(notice):
            continue
        try:
            message_of(notice).send()
        except MAIL_TROUBLE as trouble:
            _mail_failed(notice, trouble)
            break
        Notice.objects.filter(pk=notice.pk).update(mail_due_at=None)
        sent += 1
    return sent


def _take(notice: Notice) -> bool:
    seen = Q(pk=notice.pk, mail_due_at=notice.mail_due_at, mail_tries=notice.mail_tries)
    wait = MAIL_AGAIN_SECONDS * 2.0**notice.mail_tries
    return bool(
        Notice.objects.filter(seen).update(mail_due_at=from_now(wait), mail_tries=F("mail_tries") + 1)
    )


def _mail_failed(notice: Notice, trouble: Exception) -> None:
    if notice.mail_tries + 1 < MAIL_TRIES:
        logger.warning("e-mail about job %s not sent, trying again later: %s", notice.job_id, trouble)
        return
    Notice.objects.filter(pk=notice.pk).update(mail_due_at=None)
    logger.error("e-mail about job %s not sent, given up: %s", notice.job_id, trouble)


def message_of(notice: Notice) -> EmailMessage:
    """The e-mail: how it ended, what was asked for, how long it took, and where it is told in full."""
    facts = parameters_in_words(notice.parameters)
    if notice.is_of_job:
        facts.append(("Took", human_seconds(notice.seconds)))
    width = max((len(name) for name, _ in facts), default=0)
    lines = [notice.text, "", *(f"{name:<{width}}  {value}" for name, value in facts)]
    if settings.CLAUDELENS_PUBLIC_URL and notice.url:
        lines += ["", f"{settings.CLAUDELENS_PUBLIC_URL}{notice.url}"]
    return EmailMessage(
        _one_line(notice.text), "\n".join(lines) + "\n", settings.CLAUDELENS_EMAIL_FROM, [notice.owner.email]
    )


def _one_line(text: str) -> str:
    """A subject: titles hold file names, and those may hold line ends and control characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= SUBJECT_MAX else f"{plain[: SUBJECT_MAX - 1]}…"
