"""What the measured ways share: getting ready as a worker of the product, or as a plain script."""

import os
from collections.abc import Callable
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

Run = Callable[[], dict[str, Any]]


def become_worker() -> None:
    """Load the site and reach the archive, as a Celery worker has done before its first task."""
    import django

    django.setup()

    from archive import connection, costs, garbage
    from archive.indexes import ensure_indexes

    ensure_indexes()
    connection.client().admin.command("ping")
    # Both as claudelens_site.celery does in each worker.
    costs.warm()
    garbage.collect_seldom()


def plain_database() -> Database[dict[str, Any]]:
    """The database as a script opens it: majority and journal, as the product has them."""
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGODB_URL"], w="majority", journal=True)
    client.admin.command("ping")
    return client[os.environ["MONGODB_DATABASE"]]
