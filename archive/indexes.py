"""Making the database what ``archive.collections`` says it is."""

from typing import Any

from pymongo import IndexModel
from pymongo.database import Database
from pymongo.errors import CollectionInvalid

from archive import connection
from archive.collections import SPECS, CollectionSpec
from archive.connection import Document


def ensure_indexes() -> None:
    """Create what is missing of every collection, validator and index.

    Idempotent and safe to run at once from several processes. Fails loudly: an index that cannot be
    built (a different one of the same name, duplicates under a unique one) raises the driver's error.
    Indexes that the product does not know are left alone.
    """
    with connection.translated():
        database = connection.database()
        present = set(database.list_collection_names())
        for spec in SPECS:
            _ensure(database, spec, exists=spec.name in present)


def _ensure(database: Database[Document], spec: CollectionSpec, *, exists: bool) -> None:
    if not exists:
        _create(database, spec)
    elif spec.validator:
        database.command("collMod", spec.name, validator=spec.validator)
    if spec.indexes:
        database[spec.name].create_indexes(
            [IndexModel(list(index.keys), name=index.name, unique=index.unique) for index in spec.indexes]
        )


def _create(database: Database[Document], spec: CollectionSpec) -> None:
    try:
        options: dict[str, Any] = {"validator": spec.validator} if spec.validator else {}
        database.create_collection(spec.name, **options)
    except CollectionInvalid:
        # Another process created it between our look and our call: with the same spec.
        return
