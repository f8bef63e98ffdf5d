"""The product's settings, pointed at this run's own folder, servers and databases."""

import os

from tests import run

_folder = run.folder() / run.WORKER
_folder.mkdir(exist_ok=True)
for _name in [name for name in os.environ if name.startswith("CLAUDELENS_") and name != run.VARIABLE]:
    del os.environ[_name]
os.environ |= {
    "CLAUDELENS_DATA_DIR": str(_folder),
    "DATABASE_URL": f"sqlite:///{_folder / 'test.sqlite3'}",
    "MONGODB_URL": run.planned_urls().mongodb_url,
    "MONGODB_DATABASE": run.DATABASE,
    "REDIS_URL": run.redis_url(run.WORKER_NUMBER),
    "SECRET_KEY": "only-for-tests-" + "x" * 50,
    "DEBUG": "False",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1],testserver",
    "CLAUDELENS_LOG_LEVEL": "WARNING",
    "CLAUDELENS_QUERY_SAMPLE_PERCENT": "0",  # what a test counts or watches is its own
    "CLAUDELENS_DISK_PAUSE_PERCENT": "100",  # whatever the disk of this machine
}

from claudelens_site.settings import *  # noqa: E402, F403
from claudelens_site.settings import DATABASES, INSTALLED_APPS  # noqa: E402

# A kind of job that only the tests of jobs have.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.jobs.drill"]

# A file, so that threads (ASGI, live servers) see the same database.
DATABASES["default"]["TEST"] = {"NAME": str(_folder / "test.sqlite3")}
(_folder / "static").mkdir(exist_ok=True)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
