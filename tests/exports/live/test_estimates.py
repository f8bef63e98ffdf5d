"""What an export would come to, by the API and on the page of a new export."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from exports.models import ExportJob
from tests.exports.seed import FOLDER, ONE, line, seed

API, PAGE = "/api/v1/exports/estimate/", "/exports/estimate/"


def asked(client: Client, **body: Any) -> Any:
    return client.post(API, body, content_type="application/json")


class TestApi:
    def test_it_tells_what_would_come_and_makes_nothing(self, alice: Client, tree: Any) -> None:
        answer = asked(alice, format="jsonl", filter={"session": ONE}, choices={"compression": "gzip"})
        assert answer.status_code == 200
        told = answer.json()
        assert (told["messages"], told["sessions"], told["isExact"]) == (4, 1, True)
        assert 100 < told["bytes"] < 4000
        assert told["sample"].startswith('{"id":"')
        assert not ExportJob.objects.exists()

    @pytest.mark.parametrize(
        ("body", "word"),
        [
            ({}, "format"),
            ({"format": "exe"}, "format"),
            ({"format": "json", "filter": []}, "filter"),
            ({"format": "json", "choices": "gzip"}, "choices"),
            ({"format": "json", "filter": {"sesion": "x"}}, "sesion"),
            ({"format": "json", "choices": {"columns": ["id"]}}, "columns"),
            ({"format": "json", "surprise": 1}, "surprise"),
        ],
    )
    def test_what_cannot_be_meant_is_named(self, alice: Client, tree: Any, body: dict[str, Any], word: str) -> None:
        answer = asked(alice, **body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_filter")
        assert answer.json()["detail"].startswith(f"{word}:")

    def test_a_body_that_is_no_object_is_refused(self, alice: Client, tree: Any) -> None:
        assert alice.post(API, "[1]", content_type="application/json").json()["code"] == "bad_input"

    def test_only_staff_is_told(self, client: Client, people: Any, tree: Any) -> None:
        assert asked(client, format="json").status_code == 401
        client.force_login(people.charlie)
        assert asked(client, format="json").status_code == 403


class TestPage:
    def test_the_piece_says_how_much_it_is(self, alice: Client, tree: Any) -> None:
        answer = alice.post(PAGE, {"format": "json", "session": ONE})
        assert answer.status_code == 200
        text = answer.content.decode()
        assert 'data-matching="4"' in text
        assert "<html" not in text, "a piece, not a page"
        assert "About" not in text, "it was counted"
        assert not ExportJob.objects.exists()

    def test_nothing_of_a_transcript_is_alive_in_it(self, alice: Client, archive_db: Any, people: Any, tmp_path: Any) -> None:
        evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
        seed(people.alice, tmp_path, {f"{FOLDER}/{ONE}.jsonl": line(ONE, 1, message={"role": "user", "content": evil})})
        for name in ("jsonl", "csv", "markdown", "html"):
            text = alice.post(PAGE, {"format": name}).content.decode()
            assert 'data-matching="1"' in text
            assert "<script" not in text
            assert "<img" not in text

    def test_nothing_matching_is_said(self, alice: Client, tree: Any) -> None:
        assert b'data-matching="0"' in alice.post(PAGE, {"format": "json", "session": "nobody"}).content

    def test_a_refusal_is_said_in_it(self, alice: Client, tree: Any) -> None:
        text = alice.post(PAGE, {"format": "json", "minCost": "much"}).content.decode()
        assert "callout--error" in text
        assert "minCost" in text
        assert "callout--error" in alice.post(PAGE, {"format": "exe"}).content.decode()
        assert "callout--error" in alice.post(PAGE, {}).content.decode()

    def test_it_is_for_staff_of_this_site_alone(self, client: Client, people: Any, tree: Any) -> None:
        assert client.post(PAGE, {"format": "json"}).status_code == 302
        client.force_login(people.charlie)
        assert client.post(PAGE, {"format": "json"}).status_code == 302
        client.force_login(people.alice)
        assert client.get(PAGE).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(people.alice)
        assert strict.post(PAGE, {"format": "json"}).status_code == 403
