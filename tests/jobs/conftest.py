"""Jobs of the drill kind."""

import os

import pytest

from jobs import progress
from tests.jobs.drill.models import DrillJob


@pytest.fixture
def drill_urls(settings):
    """The addresses of the drill beside those of jobs."""
    settings.ROOT_URLCONF = "tests.jobs.drill.urls"


@pytest.fixture
def make_job(db):
    def make(**fields):
        return DrillJob.objects.create(**({"records_total": 3} | fields))

    return make


@pytest.fixture
def worker_env(db, servers):
    """The environment of a process that shares this test's database and Redis."""
    return os.environ | {"PYTHONUNBUFFERED": "1"}


@pytest.fixture(autouse=True)
def servers_are_up_already(settings):
    """Commands need not see to the servers: the tests that need them have started them."""
    settings.CLAUDELENS_ENSURE_SERVERS = ""


@pytest.fixture(autouse=True)
def broadcasting_is_tried():
    """A test without Redis must not silence the next one."""
    progress._silence._until = 0.0
