"""A request that is sent twice under one key has one effect and one answer.

The claim on the key is committed first, so that the second of two concurrent requests finds it;
the work and its kept answer are one transaction, so that a crash leaves neither. A claim that a
crash left behind is taken over after a while.
"""

import hashlib
import json
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction

from archive.errors import Conflict
from jobs.claims import from_now
from jobs.models import IdempotencyKey

KEPT = timedelta(hours=24)
ABANDONED = timedelta(minutes=10)
"""A claim on a key without an answer is taken over after this: whoever made it has died."""


class KeyInUse(Conflict):
    """The first request under this key is still at work."""

    code = "idempotency_key_in_use"


class KeyReused(Conflict):
    """The key belongs to another request."""

    code = "idempotency_key_reused"


def fingerprint(method: str, path: str, data: Any) -> str:
    """A hash that only an equal request has; uploaded files count by their content."""
    text = json.dumps([method, path, _plain(data)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(data: Any) -> Any:
    if isinstance(data, UploadedFile):
        return ["file", data.name, _digest(data)]
    if hasattr(data, "lists"):
        return {name: [_plain(value) for value in values] for name, values in data.lists()}
    return data


def _digest(file: "UploadedFile[Any]") -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def claim_key(user: Any, key: str, print_: str) -> IdempotencyKey:
    """Claim the key for this request, or return the kept answer (``status`` is then set).

    Raises KeyReused when the key was used for another request, KeyInUse when the first request
    under it is still at work.
    """
    _forget_stale(user, key)
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=user, key=key, fingerprint=print_)
    except IntegrityError:
        kept = IdempotencyKey.objects.filter(user=user, key=key).first()
    if kept is None:
        raise _in_use(key)
    if kept.fingerprint != print_:
        raise KeyReused(
            f"The idempotency key {key!r} was used for a different request.",
            hint="Use a new key for each new request, the same key only to send one again.",
        )
    if kept.status is None:
        raise _in_use(key)
    return kept


def _in_use(key: str) -> KeyInUse:
    return KeyInUse(
        f"The first request with the idempotency key {key!r} is still at work.",
        hint="Send the same request again in a moment to get its answer.",
    )


def _forget_stale(user: Any, key: str) -> None:
    mine = IdempotencyKey.objects.filter(user=user, key=key)
    mine.filter(created_at__lt=from_now(-KEPT.total_seconds())).delete()
    abandoned = from_now(-ABANDONED.total_seconds())
    mine.filter(status__isnull=True, created_at__lt=abandoned).delete()


def keep_answer(key: IdempotencyKey, status: int, body: Any, headers: dict[str, str]) -> None:
    """Keep what was answered, so that it can be given again."""
    key.status, key.body, key.headers = status, body, headers
    key.save(update_fields=["status", "body", "headers"])


def release_key(key: IdempotencyKey) -> None:
    """Give the key back: the request was refused and had no effect."""
    key.delete()


def expire_keys() -> int:
    """Forget keys older than a day; return how many there were."""
    old = IdempotencyKey.objects.filter(created_at__lt=from_now(-KEPT.total_seconds()))
    return old.delete()[0]
