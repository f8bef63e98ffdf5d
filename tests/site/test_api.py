"""Tokens, problems and the API's own documentation."""

import base64
import json

import pytest
from django.test import Client, RequestFactory
from rest_framework.request import Request
from rest_framework.serializers import ValidationError

from archive import errors
from claudelens_site import problems

BASIC = {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(b"alice:secret").decode()}
TOKENS = "/api/v1/tokens/"


def bearer(token):
    return {"HTTP_AUTHORIZATION": f"Token {token}"}


def make_token(client, **fields):
    return client.post(TOKENS, json.dumps(fields), content_type="application/json", **BASIC)


def test_a_password_makes_a_token_which_is_shown_once(client, people):
    made = make_token(client)
    assert made.status_code == 201
    token = made.json()["token"]
    listed = client.get(TOKENS, **bearer(token))
    assert listed.status_code == 200
    (shown,) = listed.json()
    assert shown["id"] == made.json()["id"]
    assert "token" not in shown
    assert token not in listed.content.decode()


def test_a_session_makes_a_token_too_but_only_with_the_csrf_token(people):
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.alice)
    refused = client.post(TOKENS, "{}", content_type="application/json")
    assert refused.status_code == 403
    assert refused["Content-Type"] == "application/problem+json"
    client.get("/accounts/login/")
    client.cookies["claudelens_csrf"] = "a" * 32
    made = client.post(TOKENS, "{}", content_type="application/json", HTTP_X_CSRFTOKEN="a" * 32)
    assert made.status_code == 201


def test_a_revoked_token_opens_nothing(client, people):
    made = make_token(client).json()
    assert client.delete(f"{TOKENS}{made['id']}/", **bearer(made["token"])).status_code == 204
    assert client.get(TOKENS, **bearer(made["token"])).status_code == 401


def test_a_token_lives_as_long_as_was_asked(client, people):
    made = make_token(client, days=1).json()
    assert made["expiry"][:10] > made["created"][:10]
    refused = make_token(client, days=0)
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid"
    assert refused.json()["errors"][0]["field"] == "days"


def test_nobody_sees_or_revokes_the_token_of_somebody_else(client, people):
    made = make_token(client).json()
    client.force_login(people.bob)
    assert client.get(TOKENS).json() == []
    assert client.delete(f"{TOKENS}{made['id']}/").status_code == 404


def test_who_is_no_staff_gets_no_token(client, people):
    client.force_login(people.charlie)
    assert client.post(TOKENS, "{}", content_type="application/json").status_code == 403


def test_without_a_password_the_answer_is_401_with_a_challenge_and_a_hint(client, db):
    refused = client.get(TOKENS)
    assert refused.status_code == 401
    assert refused["WWW-Authenticate"].startswith("Basic")
    assert refused.json()["code"] == "not_authenticated"
    assert "Token" in refused.json()["hint"]


@pytest.mark.parametrize(
    ("body", "kind"), [("{", "application/json"), ("[]", "application/json"), ("x", "text/plain"), ('{"days": "many"}', "application/json")]
)
def test_input_that_makes_no_sense_is_a_problem_and_no_crash(client, people, body, kind):
    refused = client.post(TOKENS, body, content_type=kind, **BASIC)
    assert refused.status_code in {400, 415}
    assert refused["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "hint", "instance"} <= set(refused.json())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.BadInput, 400),
        (errors.TooLarge, 413),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.Gone, 410),
        (errors.OutOfSpace, 507),
        (errors.Unavailable, 503),
        (errors.TooSlow, 503),
        (errors.ArchiveError, 400),
    ],
)
def test_each_refusal_of_the_archive_has_its_status(kind, status):
    request = Request(RequestFactory().get("/api/v1/x/"))
    answer = problems.exception_handler(kind("No.", hint="Do this."), {"request": request})
    assert answer.status_code == answer.data["status"] == status
    assert answer.data["code"] == kind.code
    assert (answer.data["detail"], answer.data["hint"], answer.data["instance"]) == ("No.", "Do this.", "/api/v1/x/")


def test_every_refusal_that_there_is_has_a_status_of_its_own_or_is_a_kind_of_unavailable():
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ArchiveError)]
    away = [kind for kind in kinds if issubclass(kind, errors.Unavailable)]
    assert {kind for kind, _ in problems.STATUS_BY_CLASS} == {*kinds} - {*away} | {errors.Unavailable}


def test_nested_validation_errors_name_their_fields():
    request = Request(RequestFactory().get("/api/v1/x/"))
    error = ValidationError({"filter": {"since": ["Not a date."]}, "non_field_errors": ["Odd."]})
    told = problems.exception_handler(error, {"request": request}).data
    assert [one["field"] for one in told["errors"]] == ["filter.since", "non_field_errors"]
    assert told["detail"] == "filter.since: Not a date."


def test_a_bug_is_left_to_django():
    request = Request(RequestFactory().get("/api/v1/x/"))
    assert problems.exception_handler(RuntimeError(), {"request": request}) is None


def test_a_bug_in_the_api_is_told_as_a_problem(rf):
    answer = problems.server_error(rf.get("/api/v1/x/"))
    assert answer.status_code == 500
    assert json.loads(answer.content)["code"] == "server_error"


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_error_pages_are_sentences_and_not_traces(rf, status):
    handler = {400: problems.bad_request, 403: problems.permission_denied, 404: problems.page_not_found}.get(status)
    answer = handler(rf.get("/x"), ValueError("secret detail")) if handler else problems.server_error(rf.get("/x"))
    assert answer.status_code == status
    assert b"secret detail" not in answer.content
    assert b"<html" in answer.content


def test_the_schema_describes_every_endpoint(client, people):
    client.force_login(people.alice)
    schema = client.get("/api/schema/?format=json").json()
    assert "/api/v1/tokens/" in schema["paths"]
    assert {"/api/v1/imports/", "/api/v1/exports/", "/api/v1/sessions/"} <= set(schema["paths"])


def test_the_documentation_page_has_no_inline_script(client, people):
    client.force_login(people.alice)
    page = client.get("/api/docs/").content.decode()
    inline = [part for part in page.split("<script")[1:] if "src=" not in part.partition(">")[0]]
    assert inline == []
    assert "cdn" not in page


def test_healthz_answers_without_signing_in(client, db):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.post("/healthz").status_code == 405


def test_the_documentation_sends_people_to_the_sign_in_page_and_scripts_away(client, db):
    assert client.get("/api/docs/").headers["Location"].startswith("/accounts/login/")
    assert client.get("/api/schema/").status_code == 401


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"a":' * 500 + "1" + "}" * 500, '{"a":' + "[" * 101 + "]" * 101 + "}"]
)
@pytest.mark.parametrize("path", ["exports", "imports", "import-previews", "presets"])
def test_a_body_that_is_nested_too_deep_is_refused(client, people, path, body):
    client.force_login(people.alice)
    response = client.post(f"/api/v1/{path}/", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["detail"] == "The body is nested more than 100 deep."
