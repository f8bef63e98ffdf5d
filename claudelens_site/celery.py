"""The Celery app. A worker that starts sends again what an earlier one left behind."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_init, worker_ready
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "claudelens_site.settings")

app = Celery("claudelens")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Let Django's LOGGING stand: a connected receiver stops Celery from replacing it."""


@worker_init.connect
def load_the_price_table(**_: Any) -> None:
    """Once, before the children are forked, which then share it."""
    from archive import costs

    costs.warm()


@worker_process_init.connect
def collect_garbage_seldom(**_: Any) -> None:
    """The workers go through batches of documents all day."""
    from archive import garbage

    garbage.collect_seldom()


@worker_ready.connect
def reap_at_start(**_: Any) -> None:
    """Send again every job whose worker died, without waiting for beat."""
    from jobs.runner import reap

    reap()
