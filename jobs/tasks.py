# mypy: disallow-untyped-decorators=False
"""What the beat asks for: jobs sent again that should be at work, e-mails sent, old rows forgotten."""

from celery import shared_task

from jobs import idempotency, notices, runner


@shared_task(name="jobs.tasks.reap", ignore_result=True)
def reap() -> None:
    """Ring again for every job that nobody holds and somebody should."""
    runner.reap()


@shared_task(name="jobs.tasks.expire_keys", ignore_result=True)
def expire_keys() -> None:
    """Forget idempotency keys that are too old to be used again."""
    idempotency.expire_keys()


@shared_task(name="jobs.tasks.send_mail", ignore_result=True)
def send_mail() -> None:
    """Send the e-mails about jobs that are due."""
    notices.send_due()


@shared_task(name="jobs.tasks.expire_notices", ignore_result=True)
def expire_notices() -> None:
    """Delete notices that are older than 30 days."""
    notices.expire_notices()
