"""Who may do what with a finished export: every address, every verb, every kind of person, as one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from exports.finished.links import make_link
from exports.models import Artifact, Download, ExportJob, Link

pytestmark = pytest.mark.django_db(transaction=True)

API, PAGE = "/api/v1/exports/{job}/", "/exports/{job}/"
# address, verb, body, what its owner (and a superuser) gets
TABLE = [
    (API + "links/", "get", None, 200),
    (API + "links/", "post", {"hours": 1}, 201),
    (API + "links/{link}/", "delete", None, 204),
    (API + "downloads/", "get", None, 200),
    (API + "artifacts/", "patch", {"days": 3}, 200),
    (API + "artifacts/", "delete", None, 204),
    (API + "artifacts/1/", "patch", {"days": 3}, 200),
    (API + "artifacts/1/", "delete", None, 204),
    (API + "download/", "get", None, 200),
    (PAGE, "get", None, 200),
    (PAGE + "links/", "post", {"number": 1, "hours": 1}, 302),
    (PAGE + "links/{link}/revoke/", "post", {}, 302),
    (PAGE + "keep/", "post", {"days": 3}, 302),
    (PAGE + "delete/", "post", {}, 302),
    (PAGE + "download/", "get", None, 200),
]
VERBS = ("get", "post", "put", "patch", "delete")
MAY = {(where, verb) for where, verb, _, _ in TABLE}
NAMES = [f"{verb} {where}" for where, verb, _, _ in TABLE]


@pytest.fixture
def link(kept: ExportJob, people: Any) -> Link:
    return make_link(people.alice, Artifact.objects.get(job=kept))


@pytest.fixture
def ask(kept: ExportJob, link: Link, people: Any) -> Callable[..., Any]:
    """``ask("bob", address, verb, body)``: one request of bob's, or of nobody's."""

    def send(name: str, where: str, verb: str, body: Any = None, **ids: Any) -> Any:
        client = Client(raise_request_exception=False)
        if name != "nobody":
            client.force_login(getattr(people, name))
        url = where.format(**({"job": kept.pk, "link": link.pk} | ids))
        options = {"content_type": "application/json"} if url.startswith("/api/") and body is not None else {}
        return getattr(client, verb)(url, body, **options) if body is not None else getattr(client, verb)(url)

    return send


def everything() -> list[Any]:
    """What must not change by the hand of somebody whose it is not."""
    artifacts = Artifact.objects.values_list("state", "expires_at", "downloads")
    return [*artifacts, *Link.objects.values_list("pk", "revoked_at"), Download.objects.count()]


@pytest.mark.parametrize("name", ["alice", "root"])
@pytest.mark.parametrize(("where", "verb", "body", "status"), TABLE, ids=NAMES)
def test_the_owner_and_a_superuser_may(
    ask: Any, name: str, where: str, verb: str, body: Any, status: int
) -> None:
    assert ask(name, where, verb, body).status_code == status


@pytest.mark.parametrize(("where", "verb", "body", "status"), TABLE, ids=NAMES)
def test_for_other_people_there_is_nothing(
    ask: Any, kept: ExportJob, where: str, verb: str, body: Any, status: int
) -> None:
    before = everything()
    theirs = ask("bob", where, verb, body)
    nothing = ask("bob", where, verb, body, job=uuid4(), link=uuid4())
    assert theirs.status_code == nothing.status_code == 404
    assert everything() == before
    for secret in ("claudelens-", "alice", kept.artifact.sha256):
        assert secret not in theirs.content.decode()


@pytest.mark.parametrize(("where", "verb", "body", "status"), TABLE, ids=NAMES)
def test_who_is_no_staff_is_sent_away(ask: Any, where: str, verb: str, body: Any, status: int) -> None:
    before = everything()
    for name, refused in (("charlie", 403), ("nobody", 401)):
        answer = ask(name, where, verb, body)
        if where.startswith("/api/"):
            assert answer.status_code == refused
        else:
            assert (answer.status_code, answer["Location"][:16]) == (302, "/accounts/login/")
    assert everything() == before


@pytest.mark.parametrize("where", sorted({where for where, *_ in TABLE}))
def test_no_other_verb_does_anything(ask: Any, where: str) -> None:
    before = everything()
    for verb in VERBS:
        if (where, verb) not in MAY:
            assert ask("alice", where, verb, {} if verb != "get" else None).status_code == 405, verb
    assert everything() == before


@pytest.mark.parametrize(("where", "verb", "body"), [row[:3] for row in TABLE if row[1] != "get"])
def test_what_changes_something_needs_the_csrf_token(
    kept: ExportJob, link: Link, people: Any, where: str, verb: str, body: Any
) -> None:
    before = everything()
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.alice)
    url = where.format(job=kept.pk, link=link.pk)
    options = {"content_type": "application/json"} if url.startswith("/api/") else {}
    assert getattr(client, verb)(url, body or {}, **options).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("where", [API + "links/{link}/", PAGE + "links/{link}/revoke/"])
def test_anothers_link_is_not_found_under_an_export_of_ones_own(ask: Any, people: Any, link: Link, where: str) -> None:
    mine = ExportJob.objects.create(owner=people.bob, format="json")
    verb = "delete" if where.startswith("/api/") else "post"
    assert ask("bob", where, verb, job=mine.pk).status_code == 404
    link.refresh_from_db()
    assert link.revoked_at is None


@pytest.mark.parametrize("wrong", ["x", "0" * 36, "..%2f", "1"])
def test_ids_that_are_none_are_not_found(ask: Any, wrong: str) -> None:
    for where, verb, body, _ in TABLE:
        assert ask("alice", where, verb, body, job=wrong).status_code == 404
        if "{link}" in where:
            assert ask("alice", where, verb, body, link=wrong).status_code == 404
