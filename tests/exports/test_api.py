"""The API of exports: what is asked is checked, what is answered is exact, whose it is stays theirs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from exports.filters import FIELDS
from exports.models import ExportJob
from exports.renderers import RENDERERS
from exports.services import run_export

BASE = "/api/v1/exports/"


@pytest.fixture
def alice(client: Client, people: Any, archive_db: Any, artifacts_dir: Any) -> Client:
    client.force_login(people.alice)
    return client


def post(client: Client, body: Any, **headers: str) -> Any:
    return client.post(BASE, body, content_type="application/json", headers=headers)


def test_an_export_is_begun_watched_and_downloaded(alice: Client) -> None:
    response = post(alice, {"format": "json", "filter": {"since": "2025-01-01", "session": "x"}})
    assert response.status_code == 202
    begun = response.json()
    assert begun["state"] == "queued"
    assert begun["format"] == "json"
    assert begun["filter"] == {"session_ids": ["x"], "since": begun["filter"]["since"]}
    assert begun["artifact"] is None
    assert response["Location"] == f"{BASE}{begun['id']}/"
    run_export(ExportJob.objects.get(pk=begun["id"]))
    done = alice.get(response["Location"]).json()
    assert done["state"] == "completed"
    artifact = done["artifact"]
    assert artifact["expiresAt"].endswith("Z")
    data = b"".join(alice.get(artifact["url"]).streaming_content)
    assert len(data) == artifact["bytes"]


def test_the_filter_may_be_left_out(alice: Client) -> None:
    assert post(alice, {"format": "jsonl"}).status_code == 202
    assert post(alice, {"format": "jsonl", "filter": None}).status_code == 202


def test_every_filter_can_be_asked_for(alice: Client) -> None:
    asked = {
        "session": ["x"], "tag": ["work"], "source": ["claude-code"], "type": ["user"], "role": ["user"],
        "model": ["m"], "tool": ["Bash"], "branch": ["main"], "period": "last-week", "timezone": "Europe/Berlin",
        "text": "100 %", "minCost": 0.5, "maxCost": "2", "subagents": "no",
    }  # fmt: skip
    response = post(alice, {"format": "jsonl", "filter": asked})
    assert response.status_code == 202
    assert response.json()["filter"] == {
        "session_ids": ["x"], "tags": ["work"], "sources": ["claude-code"], "types": ["user"], "roles": ["user"],
        "models": ["m"], "tools": ["Bash"], "branches": ["main"], "period": "last-week", "timezone": "Europe/Berlin",
        "text": "100 %", "min_cost": "0.5", "max_cost": "2", "subagents": False,
    }  # fmt: skip


def test_the_schema_tells_every_filter(alice: Client) -> None:
    schema = alice.get("/api/schema/", headers={"Accept": "application/json"}).json()
    assert set(schema["components"]["schemas"]["ExportFilter"]["properties"]) == set(FIELDS)


@pytest.mark.parametrize(
    ("named", "body"),
    [
        ("format", {}),
        ("format", {"format": "pdf"}),
        ("format", {"format": ["json"]}),
        ("format", {"format": {"$ne": ""}}),
        ("filter", {"format": "json", "filter": "everything"}),
        ("filter", {"format": "json", "filter": [1]}),
        ("output", {"format": "json", "output": "/etc/passwd"}),
        ("parameters", {"format": "json", "parameters": {"output": "/tmp/x"}}),
        ("$where", {"format": "json", "filter": {"$where": "1"}}),
        ("session", {"format": "json", "filter": {"session": {"$ne": None}}}),
        ("since", {"format": "json", "filter": {"since": 5}}),
        ("until", {"format": "json", "filter": {"since": "2025-02-01", "until": "2025-01-01"}}),
        ("project", {"format": "json", "filter": {"project": "nowhere"}}),
        ("tag", {"format": "json", "filter": {"tag": {"$exists": True}}}),
        ("tool", {"format": "json", "filter": {"tool": [{"$gt": ""}]}}),
        ("text", {"format": "json", "filter": {"text": {"$regex": "(a+)+$"}}}),
        ("minCost", {"format": "json", "filter": {"minCost": -1}}),
        ("minCost", {"format": "json", "filter": {"minCost": 1e300}}),
        ("maxCost", {"format": "json", "filter": {"minCost": 2, "maxCost": 1}}),
        ("period", {"format": "json", "filter": {"period": "today", "until": "2025-01-01"}}),
        ("timezone", {"format": "json", "filter": {"timezone": "Mars/Olympus"}}),
        ("subagents", {"format": "json", "filter": {"subagents": {"$ne": True}}}),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(alice: Client, named: str, body: Any) -> None:
    response = post(alice, body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["detail"].startswith(f"{named}:")
    assert problem["hint"]
    assert problem["code"] == "bad_filter"
    assert not ExportJob.objects.exists()


@pytest.mark.parametrize("body", [[], "json", 3, None])
def test_a_body_that_is_no_object_is_refused(alice: Client, body: Any) -> None:
    assert post(alice, body).status_code == 400


def test_broken_json_is_refused(alice: Client) -> None:
    response = alice.post(BASE, b'{"format": ', content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_the_same_key_makes_one_export(alice: Client) -> None:
    first, again = (post(alice, {"format": "json"}, **{"Idempotency-Key": "nightly"}) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert again["Location"] == first["Location"]
    assert ExportJob.objects.count() == 1


def test_cancel_and_retry(alice: Client) -> None:
    where = post(alice, {"format": "json"})["Location"]
    assert alice.post(where + "cancel/").json()["state"] == "cancelled"
    assert alice.post(where + "retry/").json()["state"] == "queued"
    response = alice.post(where + "retry/")
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"


def test_the_list_holds_ones_own(alice: Client, people: Any) -> None:
    ExportJob.objects.create(owner=people.bob, format="json")
    mine = post(alice, {"format": "json"}).json()["id"]
    assert [each["id"] for each in alice.get(BASE).json()["results"]] == [mine]


@pytest.mark.parametrize("verb", ["", "cancel/", "retry/", "download/", "log/"])
def test_other_peoples_exports_are_not_there(alice: Client, people: Any, verb: str) -> None:
    theirs = ExportJob.objects.create(owner=people.bob, format="json")
    where = f"{BASE}{theirs.pk}/{verb}"
    response = alice.post(where) if verb in ("cancel/", "retry/") else alice.get(where)
    assert response.status_code == 404
    theirs.refresh_from_db()
    assert theirs.state == "queued"


@pytest.mark.parametrize("wrong", ["x", "1", "0" * 36, "..%2f..%2fetc%2fpasswd"])
def test_ids_that_are_none_are_not_found(alice: Client, wrong: str) -> None:
    assert alice.get(f"{BASE}{wrong}/").status_code == 404
    assert alice.get(f"{BASE}{wrong}/download/").status_code == 404


def test_nothing_is_for_outsiders(client: Client, people: Any) -> None:
    assert client.get(BASE).status_code == 401
    client.force_login(people.charlie)
    assert client.get(BASE).status_code == 403
    assert post(client, {"format": "json"}).status_code == 403
    assert client.get("/api/v1/export-formats/").status_code == 403


def test_the_formats_are_listed_with_what_they_lose(alice: Client) -> None:
    formats = alice.get("/api/v1/export-formats/").json()
    assert [each["name"] for each in formats] == list(RENDERERS)
    assert all(each["loses"] and each["mediaType"] for each in formats)


def test_the_schema_knows_exports(alice: Client) -> None:
    paths = alice.get("/api/schema/?format=json").json()["paths"]
    assert {"/api/v1/exports/", "/api/v1/exports/{id}/download/", "/api/v1/export-formats/"} <= set(paths)
    created = paths["/api/v1/exports/"]["post"]
    assert "202" in created["responses"]
    assert "requestBody" in created
