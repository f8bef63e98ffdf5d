"""Frozen messages in a bucket: an S3 of moto's, in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from archive.errors import NotFound, Unavailable
from maintenance.frozen_store import BadStore, BucketStore, StoreRefused, open_bucket, open_store

moto = pytest.importorskip("moto")
URL = "s3://archive/claudelens/deep?region=eu-central-1"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "for-tests")
    with moto.mock_aws():
        s3 = boto3.resource("s3", region_name="eu-central-1")
        made = s3.Bucket("archive")
        made.create(CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield made


@pytest.fixture
def store(bucket: Any) -> BucketStore:
    return open_bucket(URL)


def test_what_is_written_is_read_listed_and_deleted(store: BucketStore, bucket: Any) -> None:
    name, data = "frozen/2026_01/7.bson.zst", bytes(range(256)) * 4000
    assert not store.exists(name)
    store.write(name, b"an attempt before")
    store.write(name, data)
    assert store.read(name) == data
    assert [each.key for each in bucket.objects.all()] == [f"claudelens/deep/{name}"]
    store.write("frozen/2026_02/9.bson.zst", b"")
    assert list(store.list("frozen")) == [name, "frozen/2026_02/9.bson.zst"]
    assert list(store.list("frozen/2026_01")) == [name]
    for _ in range(2):
        store.delete(name)
    assert not store.exists(name)
    with pytest.raises(NotFound, match="2026_01/7"):
        store.read(name)


def test_a_bucket_that_refuses_is_named_and_one_that_is_away_is_tried_again(bucket: Any, monkeypatch: Any) -> None:
    nowhere = open_bucket("s3://nothing-of-that-name")
    with pytest.raises(StoreRefused) as refusal:
        nowhere.write("frozen/x", b"1")
    assert "CLAUDELENS_FROZEN_URL" in refusal.value.hint


def test_a_server_that_does_not_answer_is_away(monkeypatch: Any) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_MAX_ATTEMPTS", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(Unavailable, match="does not answer"):
        open_bucket("s3://archive?endpoint=http://127.0.0.1:9").exists("frozen/x")


def test_the_settings_say_where(store: BucketStore, settings: Any, tmp_path: Any) -> None:
    settings.CLAUDELENS_FROZEN_DIR, settings.CLAUDELENS_FROZEN_URL = tmp_path / "deep", ""
    open_store().write("frozen/2026_01/1.bson.zst", b"1")
    assert (tmp_path / "deep/frozen/2026_01/1.bson.zst").read_bytes() == b"1"
    settings.CLAUDELENS_FROZEN_URL = URL
    assert not open_store().exists("frozen/2026_01/1.bson.zst")


@pytest.mark.parametrize("url", ["http://x/y", "s3://", "s3:bucket", "s3://bucket?acl=public-read", "gs://bucket"])
def test_what_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(BadStore, match="no address of a bucket"):
        open_bucket(url)


def test_a_missing_package_is_named(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "storages.backends.s3", None)
    with pytest.raises(BadStore) as refusal:
        open_bucket(URL)
    assert "pip install 'django-storages[s3]'" in refusal.value.hint
