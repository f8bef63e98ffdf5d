"""The API of maintenance: for superusers, every refusal by name."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from maintenance import services
from maintenance.access import WHY_NOT
from maintenance.models import MaintenanceJob
from maintenance.steps import STEPS

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "/api/v1/maintenance/"


def post(client: Client, body: Any, **headers: str) -> Any:
    return client.post(BASE, body, content_type="application/json", headers=headers)


def test_a_step_is_planned_and_its_plan_run(root: Client, drill: Any) -> None:
    begun = post(root, {"step": "drill", "parameters": {"month": "2026_02"}, "dryRun": True})
    assert begun.status_code == 202
    where = begun["Location"]
    assert where == f"{BASE}{begun.json()['id']}/"
    assert (begun.json()["plan"], begun.json()["dryRun"]) == (None, True)
    services.run_maintenance(MaintenanceJob.objects.get())
    planned = root.get(where).json()
    assert (planned["state"], planned["plan"]["summary"]) == ("completed", "3 things of 2026_02")
    run = post(root, {"plan": planned["id"]}).json()
    services.run_maintenance(MaintenanceJob.objects.get(pk=run["id"]))
    done = root.get(f"{BASE}{run['id']}/").json()
    assert (done["state"], done["result"], done["plan"]) == ("completed", {"last": 2}, planned["plan"])
    assert [job["id"] for job in root.get(BASE).json()["results"]] == [run["id"], planned["id"]]


@pytest.mark.parametrize("name", ["alice", "charlie", "nobody"])
@pytest.mark.parametrize("path", ["", "steps/", "{id}/", "{id}/cancel/", "{id}/retry/", "{id}/log/"])
@pytest.mark.parametrize("verb", ["get", "post"])
def test_only_superusers_see_and_start_it(name: str, path: str, verb: str, planned: Any, people: Any, client: Client) -> None:
    MaintenanceJob.objects.update(owner=people.alice)  # even one's own
    if name != "nobody":
        client.force_login(getattr(people, name))
    response = getattr(client, verb)(BASE + path.format(id=planned.pk))
    assert response.status_code == (401 if name == "nobody" else 403)
    assert response["Content-Type"] == "application/problem+json"
    if name != "nobody":
        assert (response.json()["code"], response.json()["detail"]) == ("permission_denied", WHY_NOT)
    assert MaintenanceJob.objects.count() == 1


@pytest.mark.parametrize(
    ("named", "body"),
    [
        ("step", {}),
        ("step", {"step": "nothing"}),
        ("step", {"step": {"$ne": ""}}),
        ("parameters", {"step": "drill", "parameters": "all"}),
        ("dryRun", {"step": "drill", "dryRun": "yes"}),
        ("month", {"step": "drill", "parameters": {"month": "never"}}),
        ("weather", {"step": "drill", "parameters": {"weather": 1}}),
        ("owner", {"step": "drill", "owner": 1}),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(root: Client, drill: Any, named: str, body: Any) -> None:
    response = post(root, body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["field"] == named
    assert problem["detail"].startswith(f"{named}:")
    assert problem["hint"]
    assert problem["code"] in {"bad_parameter", "unknown_step"}
    assert not MaintenanceJob.objects.exists()


@pytest.mark.parametrize("body", [[], "drill", 3])
def test_a_body_that_is_no_object_is_refused(root: Client, body: Any) -> None:
    assert post(root, body).status_code == 400


def test_a_second_one_is_told_the_first(root: Client, drill: Any) -> None:
    first = post(root, {"step": "drill"}).json()
    second = post(root, {"step": "drill"})
    assert second.status_code == 409
    assert (second.json()["code"], second.json()["jobId"]) == ("maintenance_running", first["id"])


@pytest.mark.parametrize("plan", ["x", "00000000-0000-0000-0000-000000000000"])
def test_a_plan_that_is_not_there_is_404(root: Client, drill: Any, plan: str) -> None:
    assert post(root, {"plan": plan}).status_code == 404


def test_a_job_that_has_no_plan_to_be_run_is_409(root: Client, drill: Any) -> None:
    job = post(root, {"step": "drill"}).json()
    response = post(root, {"plan": job["id"]})
    assert (response.status_code, response.json()["code"]) == (409, "no_such_plan")


def test_the_same_key_makes_one_job(root: Client, drill: Any) -> None:
    first, again = (post(root, {"step": "drill"}, **{"Idempotency-Key": "tonight"}) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert MaintenanceJob.objects.count() == 1


def test_cancel_retry_and_log(root: Client, drill: Any) -> None:
    where = post(root, {"step": "drill"})["Location"]
    assert root.post(where + "cancel/").json()["state"] == "cancelled"
    assert root.post(where + "retry/").json()["state"] == "queued"
    assert root.post(where + "retry/").status_code == 409
    services.run_maintenance(MaintenanceJob.objects.get())
    assert root.get(where + "log/").json()["results"][0]["text"] == "Planned: 3 things of 2026_01"


def test_a_retry_while_another_job_does_the_step_is_409(root: Client, drill: Any) -> None:
    where = post(root, {"step": "drill"})["Location"]
    root.post(where + "cancel/")
    post(root, {"step": "drill"})
    assert (root.post(where + "retry/").status_code, root.post(where + "retry/").json()["code"]) == (409, "job_not_retryable")


def test_every_step_is_told(root: Client, drill: Any) -> None:
    told = {each["name"]: each for each in root.get(BASE + "steps/").json()}
    assert set(told) == set(STEPS)
    assert told["drill"]["parameters"] == {"month": "Such as 2026_03."}
    assert told["drill"]["nextAt"] is None
    assert told["verify"]["nextAt"]
