"""Databases emptied: of the archive's the indexes stay, and the one partition that there always is; of Django's the
tables, and what migrations put there."""

from functools import cache
from typing import Any

from django.core.management.color import no_style
from django.db import connections
from django.test import TransactionTestCase

CURRENT = "messages_current"


def empty(database: Any) -> None:
    """Delete every document, and every partition but the current one. Refuses a database that is not the tests'
    own."""
    assert database.name.startswith("test_"), database.name
    for each in database.partitions.find():
        if each["_id"] != CURRENT:
            database.drop_collection(each["_id"])
    for info in database.list_collections(filter={"type": "collection"}):
        if not info["name"].startswith("system."):
            database[info["name"]].delete_many({})
    database.partitions.insert_one({"_id": CURRENT, "tier": "hot", "state": "open"})


PUT_THERE_ONCE = {"django_content_type", "auth_permission", "django_migrations"}
"""Tables whose rows tell what models there are."""


@cache
def _filled_tables(alias: str) -> list[str]:
    names = connections[alias].introspection.django_table_names(only_existing=True, include_views=False)
    return sorted({*names} - PUT_THERE_ONCE)


def empty_tables(alias: str) -> None:
    """Delete every row that a test can have written. Django's own flush deletes the models' rows as well, and makes
    them again: a tenth of a second after each test."""
    operations = connections[alias].ops
    operations.execute_sql_flush(operations.sql_flush(no_style(), _filled_tables(alias)))


def _fixture_teardown(case: TransactionTestCase) -> None:
    for alias in case._databases_names(include_mirrors=False):
        empty_tables(alias)


def empty_lightly() -> None:
    """Have Django use this after each test that commits."""
    TransactionTestCase._fixture_teardown = _fixture_teardown
