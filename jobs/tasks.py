# mypy: disallow-untyped-decorators=False
"""What the beat asks for: jobs sent again that should be at work, and old keys forgotten."""

from celery import shared_task

from jobs import idempotency, runner


@shared_task(name="jobs.tasks.reap", ignore_result=True)
def reap() -> None:
    """Ring again for every job that nobody holds and somebody should."""
    runner.reap()


@shared_task(name="jobs.tasks.expire_keys", ignore_result=True)
def expire_keys() -> None:
    """Forget idempotency keys that are too old to be used again."""
    idempotency.expire_keys()
