"""Where frozen messages are kept: in a folder of this server, or in an S3 bucket through django-storages.

That package is no requirement of this product: where it is missing, the setting is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.files.base import ContentFile

from archive.errors import ArchiveError, BadInput, NotFound, Unavailable
from archive.object_store import FolderStore, ObjectStore

T = TypeVar("T")

HOW = "s3://bucket/folder?endpoint=https://s3.example.com&region=eu-central-1"
OPTIONS = {"endpoint": "endpoint_url", "region": "region_name"}


class BadStore(BadInput):
    """CLAUDELENS_FROZEN_URL says something that is no place to keep files in."""

    code = "bad_frozen_url"


class StoreRefused(ArchiveError):
    """The object store answered, and said no: nothing was written, nothing was deleted."""

    code = "store_refused"


def open_store() -> ObjectStore:
    """Where the settings say: a bucket, or a folder of this server. Raises BadStore."""
    if settings.CLAUDELENS_FROZEN_URL:
        return open_bucket(settings.CLAUDELENS_FROZEN_URL)
    return FolderStore(Path(settings.CLAUDELENS_FROZEN_DIR))


def open_bucket(url: str) -> BucketStore:
    """The bucket that the URL names; nothing is asked of it yet. Raises BadStore.

    Its keys come from where boto3 looks for them: AWS_ACCESS_KEY_ID, a profile, the machine's role.
    """
    parts = urlsplit(url)
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme != "s3" or not parts.hostname or set(given) - set(OPTIONS):
        raise BadStore("CLAUDELENS_FROZEN_URL is no address of a bucket.", hint=f"Give one such as {HOW}.")
    try:
        from storages.backends.s3 import S3Storage
    except ImportError as missing:
        raise BadStore(
            "CLAUDELENS_FROZEN_URL needs django-storages, which is not installed.",
            hint="Run: pip install 'django-storages[s3]'",
        ) from missing
    options = {OPTIONS[name]: value for name, value in given.items()}
    storage = S3Storage(
        bucket_name=parts.netloc,
        location=parts.path.strip("/"),
        file_overwrite=True,
        default_acl=None,
        **options,
    )
    return BucketStore(storage)


class BucketStore:
    """Files in a bucket, by names with slashes. An object is there whole or not at all."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes under that name, in place of what was there. Raises StoreRefused, Unavailable."""
        _asked(lambda: self._storage.save(name, ContentFile(data)))

    def read(self, name: str) -> bytes:
        """The bytes of that name. Raises NotFound, StoreRefused, Unavailable."""

        def load() -> bytes:
            with self._storage.open(name, "rb") as file:
                return bytes(file.read())

        try:
            return _asked(load)
        except FileNotFoundError as missing:
            raise NotFound(f"The object store has no {name}.", code="object_missing") from missing

    def delete(self, name: str) -> None:
        """Forget that name; one that is not there is no error. Raises StoreRefused, Unavailable."""
        _asked(lambda: self._storage.delete(name))

    def exists(self, name: str) -> bool:
        """Whether there is something under that name. Raises StoreRefused, Unavailable."""
        return bool(_asked(lambda: self._storage.exists(name)))

    def list(self, folder: str) -> Iterator[str]:
        """Every name below a folder, in order. Raises StoreRefused, Unavailable."""
        folders, names = _asked(lambda: self._storage.listdir(folder))
        yield from sorted(f"{folder}/{name}" for name in names if name)
        for inner in sorted(folders):
            yield from self.list(f"{folder}/{inner}")


def _asked(call: Callable[[], T]) -> T:
    """What the store answers; its refusals in our own words."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except ClientError as refusal:
        told = refusal.response.get("Error", {})
        status = refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or told.get("Code") == "SlowDown":
            raise _away(refusal) from refusal
        hint = "Look at CLAUDELENS_FROZEN_URL and at the rights of its key, then run the job again."
        raise StoreRefused(f"The object store refused: {refusal}.", hint=hint) from refusal
    except BotoCoreError as trouble:
        raise _away(trouble) from trouble


def _away(trouble: Exception) -> Unavailable:
    return Unavailable(f"The object store does not answer: {trouble}", hint="The job tries again.")
