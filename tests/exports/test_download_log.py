"""Who downloaded what: each answer that sent bytes, the pieces of one download as one line."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from exports.finished import download_log
from exports.finished.download_log import client_address, expire_downloads, group_downloads
from exports.finished.links import make_link, token_of
from exports.models import Artifact, Download, ExportJob
from exports.tasks import expire_artifacts

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.get_default_timezone())


@pytest.fixture(params=["page", "api"])
def url(request: Any, kept: ExportJob) -> str:
    return {"page": f"/exports/{kept.pk}/download/", "api": f"/api/v1/exports/{kept.pk}/download/"}[request.param]


def rows() -> list[tuple[int, int]]:
    return [(row.first_byte, row.bytes) for row in Download.objects.order_by("id")]


def test_what_sends_bytes_is_logged_and_nothing_else(alice: Client, kept: ExportJob, url: str) -> None:
    etag = alice.head(url)["ETag"]
    alice.get(url, headers={"If-None-Match": etag})
    alice.get(url, headers={"Range": "bytes=300000-"})
    assert rows() == []
    alice.get(url)
    alice.get(url, headers={"Range": "bytes=100-199"})
    alice.get(url, headers={"Range": "bytes=-5"})
    assert rows() == [(0, 300_000), (100, 100), (299_995, 5)]
    Artifact.objects.update(state="expired")
    alice.get(url)
    assert len(rows()) == 3


def test_where_nginx_sends_the_bytes_the_same_is_logged(alice: Client, url: str, settings: Any) -> None:
    settings.CLAUDELENS_ACCEL_REDIRECT = True
    alice.head(url)
    alice.get(url)
    alice.get(url, headers={"Range": "bytes=100-199", "If-Range": '"5f-1"'})
    alice.get(url, headers={"Range": "bytes=300000-"})
    assert rows() == [(0, 300_000), (100, 100)]
    assert Artifact.objects.get().downloads == 1


def test_a_row_says_who_from_where_and_with_what(alice: Client, people: Any, url: str) -> None:
    alice.get(url, headers={"User-Agent": "curl/8" + "\x07\x1b[31m" + "x" * 500}, REMOTE_ADDR="203.0.113.7")
    row = Download.objects.get()
    assert (row.user, row.link, row.address) == (people.alice, None, "203.0.113.7")
    assert row.program.startswith("curl/8[31mxxx")
    assert len(row.program) == 200


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("", None),
        ("' OR 1=1", None),
    ],
)
def test_an_address_is_one_or_none(told: str, kept: str | None, rf: Any) -> None:
    assert client_address(rf.get("/", REMOTE_ADDR=told)) == kept


def test_what_a_client_claims_about_its_address_is_not_believed(alice: Client, url: str) -> None:
    alice.get(url, headers={"X-Forwarded-For": "198.51.100.1"}, REMOTE_ADDR="203.0.113.7")
    assert Download.objects.get().address == "203.0.113.7"


def row(**facts: Any) -> Download:
    minutes = facts.pop("minutes", 0)
    return Download(at=NOW + timedelta(minutes=minutes), **({"artifact_id": 1, "user_id": 1} | facts))


def test_thirty_pieces_of_one_download_are_one_line() -> None:
    (line,) = group_downloads(row(minutes=n * 50, first_byte=n) for n in range(30))
    assert line.pieces == 30
    assert line.first.first_byte == 0
    assert line.last == NOW + timedelta(minutes=29 * 50)


def test_a_long_pause_another_person_program_place_or_file_begins_another_line() -> None:
    others = [
        row(minutes=1, user_id=2),
        row(minutes=2, user_id=None, link_id="x"),
        row(minutes=3, program="wget"),
        row(minutes=4, address="203.0.113.7"),
        row(minutes=5, artifact_id=2),
        row(minutes=61),
    ]
    lines = group_downloads([row(), *others])
    assert [line.pieces for line in lines] == [1] * 7
    assert lines[0].last > lines[-1].last, "newest first"


def test_the_page_has_one_line_for_a_resumed_download(alice: Client, kept: ExportJob, people: Any) -> None:
    link = make_link(people.alice, kept.artifact, note="for Grace")
    for part in range(30):
        Client().get(f"/exports/links/{token_of(link)}/", headers={"Range": f"bytes={part * 10_000}-", "User-Agent": "curl/8"})
    alice.get(f"/exports/{kept.pk}/download/", headers={"User-Agent": "<script>alert(1)</script>"})
    page = alice.get(f"/exports/{kept.pk}/").content.decode()
    assert page.count("link: for Grace") == 1
    assert 'data-label="Pieces">30<' in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_the_api_has_each_answer_in_pages(alice: Client, kept: ExportJob, people: Any, url: str) -> None:
    link = make_link(people.alice, kept.artifact)
    alice.get(url, headers={"User-Agent": "curl/8"}, REMOTE_ADDR="203.0.113.7")
    Client().get(f"/exports/links/{token_of(link)}/", headers={"Range": "bytes=7-"})
    where = f"/api/v1/exports/{kept.pk}/downloads/"
    newest, first = alice.get(where).json()["results"]
    assert (newest["user"], newest["link"], newest["firstByte"], newest["bytes"]) == (None, str(link.pk), 7, 299_993)
    assert (first["user"], first["link"], first["firstByte"], first["bytes"]) == ("alice", None, 0, 300_000)
    assert (first["address"], first["program"], first["number"]) == ("203.0.113.7", "curl/8", 1)
    assert first["at"].endswith("Z")
    page = alice.get(f"{where}?limit=1").json()
    assert [each["firstByte"] for each in page["results"]] == [7]
    assert [each["firstByte"] for each in alice.get(page["next"]).json()["results"]] == [0]
    assert alice.get(f"{where}?cursor=nonsense").status_code == 400


def test_the_log_outlives_its_people_links_and_file(alice: Client, kept: ExportJob, people: Any, url: str) -> None:
    link = make_link(people.bob, kept.artifact)
    alice.get(url)
    Download.objects.update(link=link)
    alice.delete(f"/api/v1/exports/{kept.pk}/artifacts/")
    link.delete()
    ExportJob.objects.update(owner=people.root)
    people.alice.delete()
    left = Download.objects.get()
    assert (left.user, left.link, left.artifact) == (None, None, kept.artifact)
    assert "no longer known" in group_downloads([left])[0].who


def test_old_rows_are_forgotten_by_the_clock(alice: Client, url: str, settings: Any) -> None:
    settings.CLAUDELENS_DOWNLOAD_LOG_DAYS = 30
    for _ in range(2):
        alice.get(url)
    newest = Download.objects.order_by("-id")[0]
    Download.objects.exclude(pk=newest.pk).update(at=timezone.now() - timedelta(days=31))
    expire_artifacts()
    assert list(Download.objects.all()) == [newest]


def test_an_artifact_that_is_asked_for_without_end_keeps_its_newest_rows(
    alice: Client, url: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(download_log, "MOST_ROWS", 3)
    for start in range(5):
        alice.get(url, headers={"Range": f"bytes={start}-"})
    assert expire_downloads() == 2
    assert [first for first, _ in rows()] == [2, 3, 4]
    assert expire_downloads() == 0
