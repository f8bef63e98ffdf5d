"""Downloads: any part, from any point, only of the right bytes, only for the right person."""

from __future__ import annotations

import tracemalloc
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient, Client

from exports.downloads import AsyncFileBody
from exports.models import Artifact, ExportJob
from exports.ranges import ByteRange
from tests.waiting import awaited


@pytest.fixture(params=["page", "api"])
def url(request: Any, kept: ExportJob) -> str:
    return {"page": f"/exports/{kept.pk}/download/", "api": f"/api/v1/exports/{kept.pk}/download/"}[request.param]


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def artifact_of(job: ExportJob) -> Artifact:
    return Artifact.objects.get(job=job)


def test_the_whole_file_comes_with_what_is_needed_to_resume_it(alice: Client, kept: ExportJob, url: str) -> None:
    response = alice.get(url)
    data = artifact_of(kept).path.read_bytes()
    assert response.status_code == 200
    assert body(response) == data
    assert response["Content-Length"] == str(len(data))
    assert response["ETag"] == f'"{artifact_of(kept).sha256}"'
    assert response["Accept-Ranges"] == "bytes"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''claudelens")
    assert response["Content-Type"] == "application/jsonl"
    assert artifact_of(kept).downloads == 1


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=150000-", 150_000, 300_000),
        ("bytes=131000-263000", 131_000, 263_001),
        ("bytes=-10", 299_990, 300_000),
        ("bytes=299999-999999", 299_999, 300_000),
    ],
)
def test_any_part_can_be_asked_for(alice: Client, kept: ExportJob, url: str, header: str, start: int, stop: int) -> None:
    response = alice.get(url, headers={"Range": header})
    assert response.status_code == 206
    assert body(response) == artifact_of(kept).path.read_bytes()[start:stop]
    assert response["Content-Range"] == f"bytes {start}-{stop - 1}/300000"
    assert response["Content-Length"] == str(stop - start)
    assert artifact_of(kept).downloads == 0, "a resumed download is not another one"


def test_a_download_cut_many_times_is_put_together(alice: Client, kept: ExportJob, url: str) -> None:
    have = b""
    etag = alice.head(url)["ETag"]
    while len(have) < 300_000:
        response = alice.get(url, headers={"Range": f"bytes={len(have)}-", "If-Range": etag})
        assert response.status_code == 206
        have += body(response)[:19_973]
    assert have == artifact_of(kept).path.read_bytes()


def test_bytes_that_are_not_there_are_refused(alice: Client, url: str) -> None:
    response = alice.get(url, headers={"Range": "bytes=300000-"})
    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */300000"


def test_a_range_of_other_bytes_is_answered_with_the_whole(alice: Client, url: str) -> None:
    response = alice.get(url, headers={"Range": "bytes=5-", "If-Range": '"another"'})
    assert response.status_code == 200
    assert len(body(response)) == 300_000


def test_head_tells_all_but_the_bytes(alice: Client, kept: ExportJob, url: str) -> None:
    response = alice.head(url)
    assert (response.status_code, response["Content-Length"], response.content) == (200, "300000", b"")
    assert response["ETag"]
    assert artifact_of(kept).downloads == 0


def test_what_is_there_already_is_not_sent_again(alice: Client, url: str) -> None:
    etag = alice.head(url)["ETag"]
    assert alice.get(url, headers={"If-None-Match": etag}).status_code == 304


def test_an_empty_file_can_be_downloaded(alice: Client, kept: ExportJob, url: str) -> None:
    artifact_of(kept).path.write_bytes(b"")
    Artifact.objects.update(bytes=0, sha256=sha256(b"").hexdigest())
    assert body(alice.get(url)) == b""
    assert alice.get(url, headers={"Range": "bytes=0-"}).status_code == 416


def test_a_client_that_accepts_only_zips_gets_its_file(alice: Client, url: str) -> None:
    assert len(body(alice.get(url, headers={"Accept": "application/zip"}))) == 300_000


def test_an_expired_file_is_gone(alice: Client, url: str) -> None:
    Artifact.objects.update(expires_at="2020-01-01T00:00:00Z")
    response = alice.get(url)
    assert response.status_code == 410
    assert b"artifact_expired" in response.content


def test_a_file_that_somebody_deleted_is_gone(alice: Client, kept: ExportJob, url: str) -> None:
    artifact_of(kept).path.unlink()
    response = alice.get(url)
    assert response.status_code == 410
    assert b"artifact_missing" in response.content


def test_a_file_that_was_cut_is_refused(alice: Client, kept: ExportJob, url: str) -> None:
    artifact_of(kept).path.write_bytes(b"short")
    response = alice.get(url)
    assert response.status_code == 409
    assert b"artifact_damaged" in response.content


def test_an_export_that_is_not_finished_has_no_file(alice: Client, kept: ExportJob, url: str) -> None:
    Artifact.objects.all().delete()
    response = alice.get(url)
    assert response.status_code == 409
    assert b"export_not_ready" in response.content


def test_other_people_are_told_that_there_is_nothing(client: Client, people: Any, url: str) -> None:
    client.force_login(people.bob)
    assert client.get(url).status_code == 404
    assert client.head(url).status_code == 404
    client.force_login(people.charlie)
    assert client.get(url).status_code in (302, 403)
    client.logout()
    assert client.get(url).status_code in (302, 401)


def test_a_superuser_may_download_everything(client: Client, people: Any, url: str) -> None:
    client.force_login(people.root)
    assert len(body(client.get(url))) == 300_000


def test_a_front_server_can_send_the_bytes(alice: Client, kept: ExportJob, url: str, settings: Any) -> None:
    settings.CLAUDELENS_ACCEL_REDIRECT = True
    response = alice.get(url)
    assert response["X-Accel-Redirect"] == f"/protected-artifacts/{artifact_of(kept).storage_name}"
    assert response.content == b""
    assert response["ETag"]


class TestUnderAsgi:
    @pytest.fixture
    def alice_async(self, people: Any) -> AsyncClient:
        client = AsyncClient()
        client.force_login(people.alice)
        return client

    @pytest.mark.django_db(transaction=True)
    def test_the_same_bytes_come_in_pieces(self, alice_async: AsyncClient, kept: ExportJob) -> None:
        async def fetch(**headers: str) -> list[bytes]:
            response = await alice_async.get(f"/exports/{kept.pk}/download/", headers=headers)
            assert response.is_async
            return [chunk async for chunk in response.streaming_content]

        chunks = awaited(fetch())
        assert b"".join(chunks) == artifact_of(kept).path.read_bytes()
        assert len(chunks) == 3
        assert b"".join(awaited(fetch(Range="bytes=8-10"))) == b"0\n0"

    def test_a_large_file_takes_little_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "large"
        with path.open("wb") as file:
            file.truncate(200 * 1024**2)

        async def read_all() -> int:
            part = AsyncFileBody(path.open("rb"), ByteRange(0, path.stat().st_size))
            try:
                return sum([len(chunk) async for chunk in part])
            finally:
                part.close()

        tracemalloc.start()
        assert awaited(read_all()) == path.stat().st_size
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
        tracemalloc.stop()

