"""What every test may ask for. Nothing here is a mock: servers, worker and browser are real."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import connection as sql
from xdist.scheduler import LoadScopeScheduling

from archive.garbage import collect_seldom
from claudelens_site import embedded
from tests import live, run
from tests.emptying import empty, empty_lightly
from tests.live import LiveSite

TOGETHER = {
    "tests/exports/live/test_live_streams.py",
    "tests/imports/test_kills.py",
    "tests/site/test_commands.py",
    "tests/site/test_nginx.py",
}
"""Modules whose fixtures take long: each is run by one process."""


class Scheduling(LoadScopeScheduling):
    """Each test goes to the next process that is free, those of a module of ``TOGETHER`` to the same one.

    (xdist's own groups stand in the tests' ids, which pytest 9.2 does not let it change.)
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module in TOGETHER else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Scheduling:
    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser come last: from the first of them on an event loop runs, in which Django's database
    cannot be used."""
    items.sort(key=lambda item: "browser" in item.keywords)


def pytest_collection_finish() -> None:
    """Thousands of tests are held from here on: the collector need not look at them again and again."""
    collect_seldom()


def pytest_unconfigure() -> None:
    run.clean_up()


@pytest.fixture(autouse=True, scope="session")
def _emptied_lightly() -> None:
    empty_lightly()


@pytest.fixture(scope="session")
def servers() -> embedded.Servers:
    """The embedded mongod and redis-server of this run."""
    return run.start_servers()


@pytest.fixture(scope="session")
def _archive(servers):
    """This worker's own MongoDB database, empty, with its collections and indexes."""
    from archive import connection
    from archive.indexes import ensure_indexes

    connection.configure(servers.mongodb_url, run.DATABASE)
    assert connection.database().name.startswith("test_"), "tests only touch databases of their own"
    connection.client().drop_database(run.DATABASE)
    ensure_indexes()
    return connection.database()


@pytest.fixture
def archive_db(_archive, servers):
    """The archive's database, emptied before the test (the indexes stay): of hot messages there is
    ``messages_current`` alone."""
    from archive import connection
    from archive.collections import MESSAGE_INDEXES
    from archive.indexes import ensure_indexes

    connection.configure(servers.mongodb_url, run.DATABASE)
    database = connection.database()  # a test before may have closed the client
    empty(database)
    if len(database.messages_current.index_information()) <= len(MESSAGE_INDEXES):
        ensure_indexes()  # a test before has dropped the collection, and others have written to it since
    return database


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix():
    """Each worker's database lies in a folder of its own already, where its child processes look for it."""


@pytest.fixture
def redis_server(servers):
    """A client of this worker's own Redis database, emptied before the test."""
    import redis

    with redis.Redis.from_url(run.redis_url(run.WORKER_NUMBER)) as client:
        client.flushdb()
        yield client


@pytest.fixture
def people(db, django_user_model) -> SimpleNamespace:
    """alice owns, bob is other staff, charlie is no staff, root is superuser. Password: ``secret``."""
    make = django_user_model.objects.create_user
    return SimpleNamespace(
        alice=make("alice", password="secret", is_staff=True),
        bob=make("bob", password="secret", is_staff=True),
        charlie=make("charlie", password="secret"),
        root=django_user_model.objects.create_superuser("root", password="secret"),
    )


@pytest.fixture
def in_threads():
    """Run a function in so many threads at once, each with an SQL connection of its own; their results, unordered."""

    def run(function, count):
        results, gate = [], threading.Barrier(count)

        def work():
            try:
                gate.wait()
                results.append(function())
            finally:
                sql.close()

        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return results

    return run


@pytest.fixture(scope="session")
def live_site(servers) -> Iterator[LiveSite]:
    """The site as real processes, with the user admin / admin-password."""
    data_dir = run.folder() / f"live-{run.WORKER}"
    data_dir.mkdir()
    env = live.environment(
        data_dir,
        mongodb_url=servers.mongodb_url,
        database=run.LIVE_DATABASE,
        redis_url=run.redis_url(8 + run.WORKER_NUMBER),
    )
    site = LiveSite(data_dir, env)
    try:
        site.start()
        yield site
    finally:
        site.stop()
