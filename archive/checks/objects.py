"""Whether every frozen batch has its object, every object is some batch's, and the manifests tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain, groupby

from archive import connection, manifests, moments, object_store
from archive.checks.base import Asked, Finding, Look
from archive.collections import TIER_BATCHES
from archive.connection import Document
from archive.partitions import Tier, frozen_month, frozen_name

FOLDER = "frozen"


def look_at_objects(asked: Asked) -> Iterator[Look]:
    """The stored objects are those that the journal names, month by month; memory is the names of a month.
    Nothing is asked of the store where nothing was ever frozen."""
    with connection.translated():
        months = [frozen_month(each.name) for each in moments.at_one_moment(_frozen)]
        if not months:
            return
        listed = set()
        for folder, names in groupby(object_store.store().list(FOLDER), key=_folder):
            listed.add(folder)
            is_known = folder.rpartition("/")[2] in months
            yield _compare(folder, set(names) - ({f"{folder}/{manifests.NAME}"} if is_known else set()))
        for month in months:
            if f"{FOLDER}/{month}" not in listed:
                yield _compare(f"{FOLDER}/{month}", set())
            yield _look_at_manifest(month, asked)


_frozen = partial(moments.Moment.of, tier=Tier.FROZEN)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _compare(folder: str, names: set[str]) -> Look:
    """What differs when looked at again: objects are named in the journal before they are written, and go
    before they leave it."""
    lying, touched = _told(folder)
    store = object_store.store()
    missing = [name for name in sorted(lying - names) if not store.exists(name)]
    now = _told(folder)[0] if missing else set()
    unknown = [name for name in sorted(names - lying - touched) if store.exists(name)]
    found = [
        *(
            Finding("object_missing", name, f"There is no object {name}; a batch lies in it.")
            for name in missing
            if name in now
        ),
        *(Finding("object_unknown", name, f"The object {name} is no batch's.") for name in unknown),
    ]
    return Look(len(names), tuple(found))


def _look_at_manifest(month: str, asked: Asked) -> Look:
    if not manifests.differs(month):
        return Look(1)
    if asked.repair:
        manifests.write(month)
    name = manifests.manifest_name(month)
    told = f"{name} is missing, or tells of other objects than the journal."
    return Look(1, (Finding("manifest_differs", name, told, repaired=asked.repair),))


def _told(folder: str) -> tuple[set[str], set[str]]:
    """The objects of a month that batches lie in, and those that are being written or removed."""
    month = folder.rpartition("/")[2]
    fields = {"object": 1, "move.object": 1, "sweep.object": 1}
    query: Document = {"$or": [{"partition": frozen_name(month)}, {"month": month, "busy": True}]}
    lying: set[str] = set()
    touched: set[str] = set()
    for batch in connection.collection(TIER_BATCHES).find(query, fields):
        lying.add(batch.get("object") or "")
        entries = chain([batch.get("move") or {}], batch.get("sweep") or [])
        touched |= {each.get("object") or "" for each in entries}
    return lying - {""}, touched - {""}
