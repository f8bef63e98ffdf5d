"""Links: whoever has one gets its file and nothing else, as long as it is open."""

from __future__ import annotations

import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.core.signing import Signer
from django.test import AsyncClient, Client
from django.utils import timezone

from claudelens_site.embedded import free_port
from exports.finished import guesses
from exports.finished.links import SALT, make_link, token_of
from exports.models import Artifact, Download, ExportJob, Link
from tests.waiting import awaited

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _cache(redis_server: Any) -> None:
    guesses.silence._until = 0.0


@pytest.fixture
def api(client: Client, people: Any, kept: ExportJob) -> str:
    client.force_login(people.alice)
    return f"/api/v1/exports/{kept.pk}/links/"


@pytest.fixture
def link(kept: ExportJob, people: Any) -> Link:
    return make_link(people.alice, Artifact.objects.get(job=kept), note="for Grace")


@pytest.fixture
def where(link: Link) -> str:
    return f"/exports/links/{token_of(link)}/"


@pytest.fixture
def outsider() -> Client:
    """Somebody without an account."""
    return Client(raise_request_exception=False)


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def post(client: Client, where: str, asked: Any) -> Any:
    return client.post(where, asked, content_type="application/json")


def data_of(job: ExportJob) -> bytes:
    return Artifact.objects.get(job=job).path.read_bytes()


def test_an_outsider_gets_the_file_by_its_address_alone(
    client: Client, outsider: Client, api: str, kept: ExportJob
) -> None:
    made = post(client, api, {"note": "for Grace", "hours": 5})
    assert made.status_code == 201
    told = made.json()
    assert told["url"].startswith("http://testserver/exports/links/")
    assert (told["state"], told["note"], told["owner"], told["number"]) == ("open", "for Grace", "alice", 1)
    response = outsider.get(told["url"])
    assert response.status_code == 200
    assert body(response) == data_of(kept)
    assert response["Content-Disposition"].startswith("attachment")


def test_what_a_link_answers_is_kept_and_listed_by_nobody(outsider: Client, where: str) -> None:
    for answer in (outsider.get(where), outsider.head(where), outsider.get(where[:-3] + "xx/")):
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert not answer.cookies


def test_a_link_resumes_like_the_download_of_its_owner(outsider: Client, where: str, kept: ExportJob) -> None:
    head = outsider.head(where)
    assert (head.status_code, head["Content-Length"], head.content) == (200, "300000", b"")
    have = b""
    while len(have) < 300_000:
        response = outsider.get(where, headers={"Range": f"bytes={len(have)}-", "If-Range": head["ETag"]})
        assert response.status_code == 206
        have += body(response)[:19_973]
    assert have == data_of(kept)
    assert outsider.get(where, headers={"Range": "bytes=300000-"}).status_code == 416
    assert outsider.get(where, headers={"If-None-Match": head["ETag"]}).status_code == 304


def test_a_front_server_can_send_it(outsider: Client, where: str, kept: ExportJob, settings: Any) -> None:
    settings.CLAUDELENS_ACCEL_REDIRECT = True
    response = outsider.get(where)
    assert response["X-Accel-Redirect"] == f"/protected-artifacts/{kept.artifact.storage_name}"
    assert response["Cache-Control"] == "private, no-store"


def test_under_asgi_the_same_bytes_come_in_pieces(where: str, kept: ExportJob) -> None:
    async def fetch() -> bytes:
        response = await AsyncClient().get(where)
        assert response.is_async
        return b"".join([chunk async for chunk in response.streaming_content])

    assert awaited(fetch()) == data_of(kept)


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete", "options"])
def test_a_link_is_only_read(outsider: Client, where: str, verb: str) -> None:
    assert getattr(outsider, verb)(where).status_code == 405


class TestRefusals:
    def is_refused(self, client: Client, where: str, status: int, code: str) -> bool:
        page = client.get(where)
        assert page.status_code == status
        assert page["Content-Type"].startswith("text/html")
        assert code in page.content.decode()
        for accept in ("application/json", "application/problem+json"):
            told = client.get(where, headers={"Accept": accept})
            assert (told.status_code, told["Content-Type"]) == (status, "application/problem+json")
            assert (told.json()["code"], bool(told.json()["detail"]), bool(told.json()["hint"])) == (code, True, True)
        assert client.head(where).status_code == status
        return True

    def test_a_revoked_one_is_gone(self, client: Client, outsider: Client, api: str, link: Link, where: str) -> None:
        assert client.delete(f"{api}{link.pk}/").status_code == 204
        assert self.is_refused(outsider, where, 410, "link_revoked")
        assert client.delete(f"{api}{link.pk}/").status_code == 204, "twice is no error"

    def test_one_whose_time_is_over_is_gone(self, outsider: Client, link: Link, where: str) -> None:
        Link.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert self.is_refused(outsider, where, 410, "link_expired")

    def test_one_whose_file_expired_or_was_deleted_is_gone(self, outsider: Client, where: str) -> None:
        Artifact.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert self.is_refused(outsider, where, 410, "artifact_expired")
        Artifact.objects.update(expires_at=timezone.now() + timedelta(days=1), state="expired")
        assert self.is_refused(outsider, where, 410, "artifact_expired")

    def test_one_whose_file_is_missing_is_gone(self, outsider: Client, where: str, kept: ExportJob) -> None:
        kept.artifact.path.unlink()
        assert self.is_refused(outsider, where, 410, "artifact_missing")

    def test_one_whose_file_is_damaged_is_a_conflict(self, outsider: Client, where: str, kept: ExportJob) -> None:
        kept.artifact.path.write_bytes(b"short")
        assert self.is_refused(outsider, where, 409, "artifact_damaged")

    @pytest.mark.parametrize("loss", [{"is_active": False}, {"is_staff": False}])
    def test_a_link_has_no_more_rights_than_who_made_it(
        self, outsider: Client, where: str, link: Link, loss: dict[str, bool]
    ) -> None:
        type(link.owner).objects.filter(pk=link.owner_id).update(**loss)
        assert self.is_refused(outsider, where, 410, "link_revoked")

    def test_a_superusers_link_to_anothers_export_ends_with_the_superuser(
        self, outsider: Client, kept: ExportJob, people: Any
    ) -> None:
        where = f"/exports/links/{token_of(make_link(people.root, kept.artifact))}/"
        assert outsider.head(where).status_code == 200
        type(people.root).objects.filter(pk=people.root.pk).update(is_superuser=False)
        assert self.is_refused(outsider, where, 410, "link_revoked")

    def test_nothing_of_the_archive_is_told(self, outsider: Client, where: str, kept: ExportJob) -> None:
        Link.objects.update(revoked_at=timezone.now())
        page = outsider.get(where).content.decode() + outsider.get(where, headers={"Accept": "application/json"}).content.decode()
        for secret in (str(kept.pk), kept.artifact.storage_name, "claudelens-", "for Grace", "alice", "site-nav", "jsonl"):
            assert secret not in page

    def test_a_signed_in_person_sees_the_same_page(self, client: Client, outsider: Client, where: str, people: Any) -> None:
        Link.objects.update(revoked_at=timezone.now())
        client.force_login(people.alice)
        assert client.get(where).content == outsider.get(where).content


class TestAddresses:
    def test_they_hold_the_id_and_a_signature_and_are_of_one_length(self, kept: ExportJob, people: Any) -> None:
        tokens = {token_of(make_link(people.alice, kept.artifact, note="n" * n, hours=n + 1)) for n in range(5)}
        assert len(tokens) == 5
        assert all(re.fullmatch(r"[0-9a-f]{32}\.[\w-]{43}", token) for token in tokens)

    def test_whatever_is_changed_the_answer_is_the_same_404(self, outsider: Client, link: Link, settings: Any) -> None:
        settings.CLAUDELENS_WRONG_LINKS_PER_MINUTE = 0
        good, other = token_of(link), "0" * 32
        wrong = [
            f"{other}.{good.partition('.')[2]}",
            *(good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(0, 76, 5)),
            good[:-1],
            good + "A",
            good.upper(),
            "x",
            "%00",
            "ĝis",
            "." * 500,
            Signer(salt=SALT, sep=".").sign(other),
            Signer(salt=SALT, sep=".").sign("no id"),
            Signer(salt="another", sep=".").sign(link.pk.hex),
        ]
        answers = {outsider.get(f"/exports/links/{token}/").content for token in wrong}
        assert len(answers) == 1
        assert {outsider.get(f"/exports/links/{token}/").status_code for token in wrong} == {404}
        assert outsider.head(f"/exports/links/{good}/").status_code == 200

    def test_one_that_is_no_longer_known_is_not_found(self, outsider: Client, link: Link, where: str) -> None:
        link.delete()
        assert outsider.get(where).status_code == 404

    def test_they_do_not_stand_in_the_log(self, outsider: Client, where: str, caplog: Any) -> None:
        from claudelens_site.logs import hide_links

        told = hide_links(None, "", {"event": f"Gone: {where}", "request": f"GET {where}?x=1", "code": 410})
        assert told == {"event": "Gone: /exports/links/…/", "request": "GET /exports/links/…/?x=1", "code": 410}

    def test_they_are_those_of_the_public_site(self, client: Client, api: str, settings: Any) -> None:
        settings.CLAUDELENS_PUBLIC_URL = "https://claudelens.example.org"
        assert post(client, api, {}).json()["url"].startswith("https://claudelens.example.org/exports/links/")


class TestGuessing:
    def test_many_wrong_ones_close_the_door_for_the_rest_of_the_minute(
        self, outsider: Client, where: str, settings: Any
    ) -> None:
        settings.CLAUDELENS_WRONG_LINKS_PER_MINUTE = 3
        answers = [outsider.get(f"/exports/links/{n}/", REMOTE_ADDR="203.0.113.9").status_code for n in range(5)]
        assert answers in ([404] * 3 + [429] * 2, [404] * 5), "the second where a minute began between"
        if 429 in answers:
            refused = outsider.get(where, REMOTE_ADDR="203.0.113.9", headers={"Accept": "application/json"})
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert 0 < int(refused["Retry-After"]) <= 61
        assert outsider.get(where, REMOTE_ADDR="203.0.113.10").status_code == 200, "others are not held up"

    def test_one_network_of_ipv6_is_one_guesser(self, outsider: Client, settings: Any) -> None:
        settings.CLAUDELENS_WRONG_LINKS_PER_MINUTE = 3
        answers = [
            outsider.get("/exports/links/x/", REMOTE_ADDR=f"2001:db8:1:2::{n}").status_code for n in range(1, 9)
        ]
        assert 429 in answers

    def test_right_ones_are_not_counted(self, outsider: Client, where: str, settings: Any) -> None:
        settings.CLAUDELENS_WRONG_LINKS_PER_MINUTE = 3
        assert {outsider.get(where).status_code for _ in range(8)} == {200}

    def test_without_the_cache_right_ones_work_and_wrong_ones_do_not(
        self, outsider: Client, where: str, settings: Any
    ) -> None:
        settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{free_port()}/0"}}
        assert outsider.get("/exports/links/x/").status_code == 404
        assert outsider.get(where).status_code == 200


class TestMaking:
    def test_a_link_lasts_as_long_as_is_asked(self, client: Client, api: str) -> None:
        made = post(client, api, {"hours": 3}).json()
        assert not made["endsWithFile"]
        lasts = Link.objects.get().expires_at - timezone.now()
        assert timedelta(hours=2, minutes=59) < lasts <= timedelta(hours=3)

    def test_but_never_longer_than_its_file_and_says_so(self, client: Client, api: str, kept: ExportJob) -> None:
        made = post(client, api, {"hours": 48}).json()
        assert made["endsWithFile"]
        assert Link.objects.get().expires_at == kept.artifact.expires_at

    @pytest.mark.parametrize("hours", [0, -1, 721, 10**12])
    def test_what_is_no_time_is_refused(self, client: Client, api: str, hours: int) -> None:
        refused = post(client, api, {"hours": hours})
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_expiry")
        assert "720" in refused.json()["hint"]
        assert not Link.objects.exists()

    @pytest.mark.parametrize(
        "asked",
        [{"hours": "soon"}, {"hours": [1]}, {"note": "x" * 201}, {"note": "a\x00b"}, {"number": 0}, {"hour": 3}, [], "x", {"number": {"$ne": 1}}],
    )
    def test_what_cannot_be_meant_is_refused_by_its_field(self, client: Client, api: str, asked: Any) -> None:
        refused = post(client, api, asked)
        assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
        assert not Link.objects.exists()

    def test_a_file_that_is_not_there_gets_none(self, client: Client, api: str, kept: ExportJob) -> None:
        assert post(client, api, {"number": 2}).status_code == 404
        Artifact.objects.update(state="expired")
        assert post(client, api, {}).json()["code"] == "artifact_expired"
        Artifact.objects.all().delete()
        assert post(client, api, {}).json()["code"] == "export_not_ready"

    def test_there_are_not_more_than_one_can_look_after(
        self, client: Client, api: str, link: Link, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("exports.finished.links.MOST_LINKS", 1)
        refused = post(client, api, {})
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_links")
        client.delete(f"{api}{link.pk}/")
        assert post(client, api, {}).status_code == 201

    def test_the_list_tells_all_with_their_states(self, client: Client, api: str, link: Link, people: Any) -> None:
        newer = make_link(people.root, link.artifact)
        client.delete(f"{api}{link.pk}/")
        told = client.get(api).json()["results"]
        assert [(each["id"], each["state"], each["owner"]) for each in told] == [
            (str(newer.pk), "open", "root"),
            (str(link.pk), "revoked", "alice"),
        ]
        assert told[1]["revokedAt"].endswith("Z")


class TestPages:
    @pytest.fixture
    def where(self, client: Client, people: Any, kept: ExportJob) -> str:
        client.force_login(people.alice)
        return f"/exports/{kept.pk}/"

    def text(self, client: Client, where: str) -> str:
        return str(client.get(where).content.decode())

    def test_a_link_is_made_shown_and_revoked(self, client: Client, outsider: Client, where: str) -> None:
        made = client.post(f"{where}links/", {"number": "1", "hours": "24", "note": "for <b>Grace</b>"}, follow=True)
        shown = made.content.decode()
        assert "The link works until" in shown
        assert "it ends with its file" in shown
        assert "for &lt;b&gt;Grace&lt;/b&gt;" in shown
        address = re.search(r'value="(http://testserver/exports/links/[^"]+)"', shown)
        assert address is not None
        assert f'data-copy="{address[1]}"' in shown
        assert "badge--completed" in shown
        assert outsider.head(address[1]).status_code == 200
        revoke = re.search(r'action="(/exports/[^"]+/revoke/)"', shown)
        assert revoke is not None
        shown = client.post(revoke[1], follow=True).content.decode()
        assert "The link was revoked." in shown
        assert "badge--cancelled" in shown
        assert address[1] not in shown
        assert outsider.head(address[1]).status_code == 410

    @pytest.mark.parametrize(
        "asked",
        [{}, {"number": "1"}, {"number": "1", "hours": "9999"}, {"number": "2", "hours": "1"}, {"number": "1", "hours": "1", "note": "x" * 201}],
    )
    def test_what_cannot_be_meant_is_told(self, client: Client, where: str, asked: dict[str, str]) -> None:
        shown = client.post(f"{where}links/", asked, follow=True).content.decode()
        assert "callout--error" in shown
        assert not Link.objects.exists()

    def test_nothing_on_the_page_is_inline(self, client: Client, where: str, link: Link) -> None:
        shown = self.text(client, where)
        assert "Whom it is for" in shown
        assert "exports/copy.js" in shown
        for inline in ("<script>", "<style", " style=", " onclick="):
            assert inline not in shown

    def test_an_expired_export_offers_no_link(self, client: Client, where: str, link: Link) -> None:
        Artifact.objects.update(state="expired")
        shown = self.text(client, where)
        assert "Make a link" not in shown
        assert "badge--queued" in shown
        assert "Keep longer" not in shown


def test_each_part_of_a_split_export_has_its_links(
    client: Client, outsider: Client, api: str, kept: ExportJob, artifacts_dir: Any
) -> None:
    data = b"the second part"
    (artifacts_dir / "part-2").write_bytes(data)
    Artifact.objects.create(
        job=kept, number=2, storage_name="part-2", filename="part-2.jsonl", media_type="x", bytes=len(data),
        sha256=sha256(data).hexdigest(), expires_at=kept.artifact.expires_at,
    )
    made = post(client, api, {"number": 2}).json()
    assert (made["number"], made["filename"]) == (2, "part-2.jsonl")
    assert body(outsider.get(made["url"])) == data
    page = client.get(f"/exports/{kept.pk}/").content.decode()
    assert '<select name="number"' in page
    assert '<td data-label="File">part-2.jsonl</td>' in page
    client.delete(f"/api/v1/exports/{kept.pk}/artifacts/2/")
    assert outsider.get(made["url"]).status_code == 410
    page = client.get(f"/exports/{kept.pk}/").content.decode()
    assert '<select name="number"' not in page, "one file is left"
    assert "no longer kept" not in page


def test_a_download_by_a_link_is_logged_as_the_links(outsider: Client, where: str, link: Link) -> None:
    body(outsider.get(where))
    assert [(row.link, row.user) for row in Download.objects.all()] == [(link, None)]


def test_the_admin_shows_ones_own_and_revokes(client: Client, link: Link, people: Any, where: str) -> None:
    body(Client().get(where))
    for name, count in (("alice", 1), ("bob", 0), ("root", 1)):
        client.force_login(getattr(people, name))
        shown = client.get("/admin/exports/link/").content.decode()
        assert ("for Grace" in shown) == bool(count)
        assert (">works<" in shown) == bool(count)
        shown = client.get("/admin/exports/download/").content.decode()
        assert ("127.0.0.1" in shown) == bool(count)
        assert client.get(f"/admin/exports/link/{link.pk}/change/").status_code == (200 if count else 302)
        assert client.get("/admin/exports/link/add/").status_code == 403
        chosen = {"action": "revoke", "_selected_action": [str(link.pk)]}
        if name == "bob":
            client.post("/admin/exports/link/", chosen)
            assert Client().head(where).status_code == 200
    told = client.post("/admin/exports/link/", chosen, follow=True).content.decode()
    assert "1 link was revoked." in told
    assert Client().head(where).status_code == 410
