"""The API of presets and schedules: exact, refused by name, and nobody else's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from exports import presets, schedules
from exports.models import ExportJob, Preset, Schedule

PRESETS, SCHEDULES = "/api/v1/presets/", "/api/v1/schedules/"
CONTENT = {"format": "json", "filter": {"period": "last-week", "source": ["a"]}, "choices": {"compression": "gzip"}}


@pytest.fixture(autouse=True)
def _archive(archive_db: Any, artifacts_dir: Any) -> None:
    """An empty archive."""


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.generic(method, path, data, content_type="application/json", headers=headers)


def preset_of(owner: Any, name: str = "Nightly", **more: Any) -> Preset:
    return presets.create_preset(owner, {"name": name, "format": "jsonl", **more})


def test_a_preset_is_saved_listed_changed_used_and_deleted(alice: Client) -> None:
    made = send(alice, "POST", PRESETS, {"name": "Nightly", "shared": True, **CONTENT})
    assert made.status_code == 201
    where, told = made["Location"], made.json()
    assert {name: told[name] for name in ("name", "shared", "owner", *CONTENT)} == {
        "name": "Nightly", "shared": True, "owner": "alice", **CONTENT
    }  # fmt: skip
    assert told["createdAt"].endswith("Z")
    assert alice.get(where).json() == told
    assert alice.get(PRESETS).json() == {"next": None, "previous": None, "results": [told]}
    changed = send(alice, "PATCH", where, {"name": "Weekly", "filter": {}})
    assert (changed.status_code, changed.json()["name"], changed.json()["filter"]) == (200, "Weekly", {})
    begun = send(alice, "POST", f"{where}export/")
    assert (begun.status_code, begun.json()["format"], begun.json()["state"]) == (202, "json", "queued")
    assert begun["Location"] == f"/api/v1/exports/{begun.json()['id']}/"
    assert alice.delete(where).status_code == 204
    assert alice.get(where).status_code == 404
    assert ExportJob.objects.count() == 1


def test_a_schedule_is_made_changed_run_and_deleted(alice: Client, people: Any) -> None:
    preset = preset_of(people.alice)
    asked = {"preset": preset.pk, "frequency": "monthly", "monthday": 28, "timeOfDay": "17:30", "timezone": "Asia/Tokyo"}
    made = send(alice, "POST", SCHEDULES, asked)
    assert made.status_code == 201
    where, told = made["Location"], made.json()
    assert {name: told[name] for name in asked} == asked
    assert (told["presetName"], told["enabled"], told["skipsEmpty"], told["owner"]) == ("Nightly", True, True, "alice")
    assert told["last"] == {"state": "", "text": "", "job": None}
    assert told["lastAt"] is None
    due = datetime.fromisoformat(told["nextAt"])
    assert (due.day, due.hour, due.minute) == (28, 8, 30)
    assert due > datetime.now(UTC)
    assert alice.get(SCHEDULES).json()["results"] == [told] == [alice.get(where).json()]
    off = send(alice, "PATCH", where, {"enabled": False, "skipsEmpty": "no"}).json()
    assert (off["enabled"], off["nextAt"], off["skipsEmpty"]) == (False, None, False)
    begun = send(alice, "POST", f"{where}run/")
    assert begun.status_code == 202
    assert begun.json()["parameters"] == {"preset": "Nightly", "schedule": "every month on day 28 at 17:30 Asia/Tokyo"}
    assert alice.delete(where).status_code == 204
    assert ExportJob.objects.get().schedule is None


def test_what_came_of_it_is_told(alice: Client, people: Any) -> None:
    made = schedules.create_schedule(people.alice, {"preset": preset_of(people.alice).pk})
    slot = datetime(2025, 3, 10, 3, tzinfo=UTC)
    job = ExportJob.objects.create(
        owner=people.alice, format="json", schedule=made, slot=slot, state="failed", error_message="No room."
    )
    Schedule.objects.update(last_at=slot, failures=2)
    told = alice.get(SCHEDULES).json()["results"][0]
    assert told["last"] == {"state": "failed", "text": "No room.", "job": str(job.pk)}
    assert (told["lastAt"], told["failures"]) == ("2025-03-10T03:00:00.000Z", 2)
    Schedule.objects.update(last_note="Skipped: nothing matched.")
    assert alice.get(f"{SCHEDULES}{made.pk}/").json()["last"] == {
        "state": "skipped", "text": "nothing matched.", "job": None
    }  # fmt: skip


def test_the_same_key_begins_one_export(alice: Client, people: Any) -> None:
    preset = preset_of(people.alice)
    made = schedules.create_schedule(people.alice, {"preset": preset.pk})
    for path in (f"{PRESETS}{preset.pk}/export/", f"{SCHEDULES}{made.pk}/run/"):
        first, again = (send(alice, "POST", path, **{"Idempotency-Key": path}) for _ in range(2))
        assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])
        assert again["Idempotent-Replayed"] == "true"
    assert ExportJob.objects.count() == 2


@pytest.mark.parametrize(
    ("named", "body"),
    [
        ("name", {"format": "json"}),
        ("name", {"name": "a\u0000b", "format": "json"}),
        ("name", {"name": "\u202e", "format": "json"}),
        ("name", {"name": "x" * 101, "format": "json"}),
        ("format", {"name": "x"}),
        ("format", {"name": "x", "format": ["json"]}),
        ("filter", {"name": "x", "format": "json", "filter": 3}),
        ("$where", {"name": "x", "format": "json", "filter": {"$where": "1"}}),
        ("period", {"name": "x", "format": "json", "filter": {"period": "soon"}}),
        ("choices", {"name": "x", "format": "json", "choices": []}),
        ("owner", {"name": "x", "format": "json", "owner": "bob"}),
    ],
)
def test_a_preset_that_cannot_be_meant_is_refused_with_its_field(alice: Client, named: str, body: Any) -> None:
    if named == "choices":
        body["choices"] = ["gzip"]
    response = send(alice, "POST", PRESETS, body)
    problem = response.json()
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert problem["detail"].startswith(f"{named}:")
    assert problem["hint"]
    assert problem["code"] == "bad_filter"
    assert not Preset.objects.exists()


@pytest.mark.parametrize(
    ("named", "more"),
    [
        ("preset", {"preset": None}), ("preset", {"preset": True}), ("preset", {"preset": 10**30}),
        ("preset", {"preset": "../1"}), ("preset", {"preset": {"id": 1}}),
        ("frequency", {"frequency": "hourly"}), ("weekday", {"weekday": 7}), ("monthday", {"monthday": 31}),
        ("timeOfDay", {"timeOfDay": "25:00"}), ("timezone", {"timezone": "../../etc"}),
        ("timezone", {"timezone": "../../etc/passwd\u0000"}), ("timezone", {"timezone": "x" * 10**6}),
        ("skipsEmpty", {"skipsEmpty": "maybe"}), ("enabled", {"enabled": {}}),
        ("nextAt", {"nextAt": "2020-01-01"}), ("owner", {"owner": 1}), ("failures", {"failures": 0}),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_meant_is_refused_with_its_field(
    alice: Client, people: Any, named: str, more: Any
) -> None:
    preset = preset_of(people.alice)
    response = send(alice, "POST", SCHEDULES, {"preset": preset.pk} | more)
    assert response.status_code == 400
    assert response.json()["detail"].startswith(f"{named}:")
    assert response.json()["hint"]
    assert not Schedule.objects.exists()
    made = schedules.create_schedule(people.alice, {"preset": preset.pk})
    response = send(alice, "PATCH", f"{SCHEDULES}{made.pk}/", more)
    assert (response.status_code, response.json()["code"]) == (400, "bad_filter")
    assert Schedule.objects.get().next_at == made.next_at


@pytest.mark.parametrize("path", [PRESETS, SCHEDULES])
@pytest.mark.parametrize("body", [b"[]", b'"x"', b"3", b"null", b"{", b"\xff", b'{"name": "\\ud800"}', b'{"a": 1e999}', b'{"name":' + b"[" * 100_000])
def test_bodies_that_are_no_objects_or_no_json_are_refused(alice: Client, path: str, body: bytes) -> None:
    response = send(alice, "POST", path, body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "format": "json", "filter": {"session": ["s" * 500] * 10_000}},
        {"name": "x", "format": "json", "filter": {f"f{number}": 1 for number in range(10_000)}},
        {"name": "x", "format": "json", "choices": {"patterns": ["a"] * 100_000}},
        {"name": ["x"] * 100_000, "format": "json"},
    ],
)
def test_huge_bodies_are_refused(alice: Client, body: Any) -> None:
    response = send(alice, "POST", PRESETS, body)
    assert response.status_code in (400, 413)
    assert len(response.content) < 2000
    assert not Preset.objects.exists()


def test_a_hundred_schedules_are_enough(alice: Client, people: Any) -> None:
    preset = preset_of(people.alice)
    for _ in range(schedules.MOST_SCHEDULES):
        schedules.create_schedule(people.alice, {"preset": preset.pk})
    response = send(alice, "POST", SCHEDULES, {"preset": preset.pk})
    assert (response.status_code, response.json()["code"]) == (409, "too_many_schedules")


VERBS = [
    ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("PUT", ""), ("POST", "export/"), ("POST", "run/"), ("HEAD", ""),
]  # fmt: skip


@pytest.mark.parametrize(("method", "more"), VERBS)
@pytest.mark.parametrize("kind", ["own", "private", "shared", "schedule"])
def test_another_persons_presets_and_schedules_by_every_verb(
    alice: Client, people: Any, kind: str, method: str, more: str
) -> None:
    """alice asks; bob owns all but the first. What is private is 404; what is shared is used, and not changed."""
    owner = people.alice if kind == "own" else people.bob
    preset = preset_of(owner, shared=kind == "shared")
    made = schedules.create_schedule(owner, {"preset": preset.pk})
    base = SCHEDULES if kind == "schedule" else PRESETS
    path = f"{base}{made.pk if kind == 'schedule' else preset.pk}/{more}"
    response = send(alice, method, path, {"name": "Mine"} if method in ("PATCH", "PUT") else None)
    assert response.status_code == expected(kind, method, more)
    preset = Preset.objects.get(pk=preset.pk)
    assert preset.name == ("Mine" if (kind, method) == ("own", "PATCH") else "Nightly")
    assert Schedule.objects.filter(pk=made.pk).exists()
    made_any = more == "export/" and kind in ("own", "shared")
    assert [job.owner for job in ExportJob.objects.all()] == ([people.alice] if made_any else [])


def expected(kind: str, method: str, more: str) -> int:
    wrong_door = more == ("export/" if kind == "schedule" else "run/")
    if wrong_door or (kind in ("private", "schedule") and method != "PUT"):
        return 404
    if method == "PUT":
        return 405
    if more == "export/":
        return 202
    if method in ("GET", "HEAD"):
        return 200
    if kind == "shared":
        return 403
    return 200 if method == "PATCH" else 409  # deleted only after the schedule that makes it


def test_lists_hold_ones_own_and_what_is_shared(alice: Client, people: Any) -> None:
    mine, _, shared = preset_of(people.alice, "A"), preset_of(people.bob, "B"), preset_of(people.bob, "C", shared=True)
    own = schedules.create_schedule(people.alice, {"preset": shared.pk})
    schedules.create_schedule(people.bob, {"preset": shared.pk})
    assert {each["id"] for each in alice.get(PRESETS).json()["results"]} == {mine.pk, shared.pk}
    assert [each["id"] for each in alice.get(SCHEDULES).json()["results"]] == [own.pk]
    alice.force_login(people.root)
    assert len(alice.get(PRESETS).json()["results"]) == 3
    assert len(alice.get(SCHEDULES).json()["results"]) == 2


def test_somebody_elses_private_preset_is_no_preset_for_a_schedule(alice: Client, people: Any) -> None:
    theirs = preset_of(people.bob)
    refused = send(alice, "POST", SCHEDULES, {"preset": theirs.pk})
    nothing = send(alice, "POST", SCHEDULES, {"preset": theirs.pk + 1})
    assert refused.status_code == nothing.status_code == 400
    assert refused.json() == nothing.json()


@pytest.mark.parametrize("wrong", ["x", "0", "9" * 30, "9" * 5000, "-1", "1.0", "%00", "..%2f1", "1%20"])
@pytest.mark.parametrize("base", [PRESETS, SCHEDULES])
def test_ids_that_are_none_are_not_found(alice: Client, base: str, wrong: str) -> None:
    for method, more in VERBS:
        response = send(alice, method, f"{base}{wrong}/{more}", {} if method == "PATCH" else None)
        assert response.status_code in (404, 405)


def test_nothing_is_for_outsiders(client: Client, people: Any) -> None:
    preset = preset_of(people.alice, shared=True)
    made = schedules.create_schedule(people.alice, {"preset": preset.pk})
    paths = [PRESETS, SCHEDULES, f"{PRESETS}{preset.pk}/", f"{SCHEDULES}{made.pk}/"]
    posts = [f"{PRESETS}{preset.pk}/export/", f"{SCHEDULES}{made.pk}/run/", PRESETS, SCHEDULES]
    assert {client.get(path).status_code for path in paths} == {401}
    client.force_login(people.charlie)
    assert {client.get(path).status_code for path in paths} == {403}
    assert {send(client, "POST", path, {}).status_code for path in posts} == {403}
    assert not ExportJob.objects.exists()


def test_lists_come_in_pages(alice: Client, people: Any) -> None:
    made = {preset_of(people.alice, str(number)).pk for number in range(5)}
    page = alice.get(f"{PRESETS}?limit=3").json()
    rest = alice.get(page["next"]).json()
    assert {each["id"] for each in page["results"] + rest["results"]} == made
