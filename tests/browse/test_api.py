"""The read side for scripts."""

import pytest
from rest_framework.test import APIClient

from tests.browse.conftest import LONG, MAIN, ODD

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(people):
    client = APIClient()
    client.force_authenticate(people.alice)
    return client


def follow(api, path):
    """Every result of a paged endpoint, and how many pages there were."""
    results, pages = [], 0
    while path:
        answer = api.get(path)
        assert answer.status_code == 200, answer.content
        results += answer.json()["results"]
        path, pages = answer.json()["next"], pages + 1
    return results, pages


PATHS = ("sessions/", f"sessions/{MAIN}/", f"sessions/{MAIN}/messages/", f"messages/{'0' * 64}/", "projects/")


@pytest.mark.parametrize("path", PATHS)
def test_strangers_are_refused(api, people, archive_db, path):
    api.force_authenticate(None)
    assert api.get(f"/api/v1/{path}").status_code == 401
    api.force_authenticate(people.charlie)
    refused = api.get(f"/api/v1/{path}")
    assert refused.status_code == 403
    assert refused["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", PATHS)
def test_nothing_can_be_changed(api, archive_db, path):
    for change in (api.post, api.put, api.patch, api.delete):
        assert change(f"/api/v1/{path}").status_code == 405


def test_sessions_come_with_their_sums(api, archive):
    (found,) = api.get("/api/v1/sessions/?text=cart").json()["results"]

    assert found["sessionId"] == MAIN
    assert found["source"] == "claude-code"
    assert found["messageCount"] == archive.messages_current.count_documents({"sessionId": MAIN})
    assert found["unpricedCalls"] == 1
    assert isinstance(found["totalCost"], str)
    assert (found["startedAt"], found["cwd"]) == ("2026-01-31T00:00:01Z", "/home/ada/web.shop")
    assert "claude-opus-4-5-20251101" in found["models"]


def test_sessions_come_in_pages(api, archive):
    results, pages = follow(api, "/api/v1/sessions/?limit=1&sort=title")

    assert [session["sessionId"] for session in results] == [ODD, MAIN, LONG]
    assert pages == 3


def test_one_session(api, archive):
    assert api.get(f"/api/v1/sessions/{MAIN}/").json()["title"] == "Fix the <b>cart</b> total"


def test_the_messages_of_a_session_are_all_there_in_order(api, archive):
    results, pages = follow(api, f"/api/v1/sessions/{LONG}/messages/?limit=100")

    assert pages == 3
    assert [message["seq"] for message in results] == [number * 1024 for number in range(1, 261)]
    assert [message["text"] for message in results[:2]] == ["Prompt number 0", "Answer 0"]
    assert "record" not in results[0]


def test_pages_lead_back_too(api, archive):
    first = api.get(f"/api/v1/sessions/{LONG}/messages/?limit=10").json()
    second = api.get(first["next"]).json()

    assert api.get(second["previous"]).json()["results"] == first["results"]


def test_one_message_comes_with_its_record(api, archive):
    stored = archive.messages_current.find_one({"sessionId": MAIN, "type": "assistant"})

    found = api.get(f"/api/v1/messages/{stored['_id'].hex()}/").json()

    assert found["id"] == stored["_id"].hex()
    assert found["record"] == stored["record"]
    assert list(found["record"]) == list(stored["record"])
    assert found["fileId"] == str(stored["fileId"])


def test_projects_come_with_their_sums(api, archive):
    projects = {project["name"]: project for project in api.get("/api/v1/projects/").json()["results"]}

    assert set(projects) == {"web.shop", "notes"}
    assert projects["notes"]["stats"]["messages"] == 260
    assert projects["notes"]["path"] == "/home/ada/notes"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("sessions/?cursor=nonsense", 400, "bad_cursor"),
        ("sessions/?limit=0", 400, "bad_input"),
        ("sessions/?limit=201", 400, "bad_input"),
        ("sessions/?limit=ten", 400, "bad_input"),
        ("sessions/?since=yesterday", 400, "bad_input"),
        ("sessions/?sort=$where", 400, "bad_input"),
        ("sessions/nowhere/", 404, "not_found"),
        ("sessions/nowhere/messages/", 404, "not_found"),
        ("messages/xyz/", 404, "not_found"),
        (f"messages/{'0' * 64}/", 404, "not_found"),
    ],
)
def test_refusals_are_problems_with_a_hint(api, archive_db, path, status, code):
    answer = api.get(f"/api/v1/{path}")

    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"] and problem["hint"]


def test_the_description_names_every_endpoint(api):
    schema = api.get("/api/schema/?format=json").json()["paths"]

    for path in (
        "sessions/",
        "sessions/{session_id}/",
        "sessions/{session_id}/messages/",
        "messages/{hex_id}/",
        "projects/",
    ):
        assert set(schema[f"/api/v1/{path}"]) == {"get"}
