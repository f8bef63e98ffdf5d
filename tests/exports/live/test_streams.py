"""Live exports: what may be asked for, how many at once, and that nothing of a stream stays behind."""

from __future__ import annotations

import gzip
import io
import json
import threading
import time
from typing import Any

import pytest
import zstandard
from django.test import Client

from archive.errors import Busy, TooMany, Unavailable
from archive.filters import MessageFilter
from archive.reader import ORDERS
from exports.choices import FIELDS as CHOICES
from exports.choices import Choices
from exports.filters import FIELDS as FILTERS
from exports.live import bodies, streams
from exports.live.streams import open_stream, places, understand
from exports.material import ArchiveMaterial
from exports.renderers import RENDERERS
from tests.exports.seed import ONE, TWO
from tests.waiting import until

URL = "/api/v1/messages/export"
STREAMED = [name for name, renderer in RENDERERS.items() if renderer.streams]
every_format = pytest.mark.parametrize("name", STREAMED)


@pytest.fixture(autouse=True)
def nothing_stays() -> Any:
    yield
    until(lambda: places.taken == 0, 10, what="every stream is closed")


def exported(name: str, wanted: MessageFilter | None = None, choices: Choices | None = None) -> bytes:
    return b"".join(RENDERERS[name].render(ArchiveMaterial(wanted or MessageFilter()), choices or Choices()))


def body(response: Any) -> bytes:
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


def open_cursors(archive_db: Any) -> int:
    return int(archive_db.client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"])


class TestWhatIsSent:
    @every_format
    def test_it_is_the_very_export(self, alice: Client, tree: Any, name: str) -> None:
        response = alice.get(URL, {"format": name})
        assert body(response) == exported(name)
        assert response.headers["Content-Type"].startswith(RENDERERS[name].media_type)
        assert f"claudelens{RENDERERS[name].extension}" in response.headers["Content-Disposition"]
        assert "no-store" in response.headers["Cache-Control"]
        assert response.headers["X-Accel-Buffering"] == "no"

    @every_format
    def test_filters_and_choices_are_those_of_exports(self, alice: Client, tree: Any, name: str) -> None:
        query = {"format": name, "session": [ONE, TWO], "type": "assistant", "since": "2025-03-01"}
        wanted = MessageFilter(session_ids=(ONE, TWO), types=("assistant",))
        assert body(alice.get(URL, query)) == exported(name, wanted)

    def test_several_columns_stand_in_one_parameter(self, alice: Client, tree: Any) -> None:
        assert body(alice.get(URL, {"format": "csv", "columns": "id,type"})).splitlines()[0] == b"id,type"

    @pytest.mark.parametrize("packed", ["gzip", "zstd"])
    def test_it_can_be_packed(self, alice: Client, tree: Any, packed: str) -> None:
        response = alice.get(URL, {"format": "jsonl", "compression": packed})
        data = body(response)
        plain = gzip.decompress(data) if packed == "gzip" else zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
        assert plain == exported("jsonl")
        assert response.headers["Content-Type"] == f"application/{packed}"

    def test_lines_can_have_an_end(self, alice: Client, tree: Any) -> None:
        lines = body(alice.get(URL, {"format": "jsonl", "endMark": "true"})).splitlines()
        assert json.loads(lines[-1]) == {"end": True, "messages": 7}
        assert b"\n".join(lines[:-1]) + b"\n" == exported("jsonl")

    def test_nothing_matching_is_an_empty_export(self, alice: Client, tree: Any) -> None:
        assert body(alice.get(URL, {"format": "jsonl", "session": "nobody"})) == b""
        assert json.loads(body(alice.get(URL, {"format": "json", "session": "nobody"})))["conversations"] == []


    @pytest.mark.parametrize(
        "wanted", [{}, {"types": ("user",)}, {"sources": ("claude-code",)}, {"models": ("m",)}, {"session_ids": (ONE,)}]
    )
    def test_nothing_is_sorted_or_read_through_before_the_first_byte(self, archive_db: Any, tree: Any, wanted: Any) -> None:
        found = archive_db.messages_current.find(MessageFilter(**wanted).to_query()).sort(list(ORDERS["session"]))
        plan = json.dumps(found.explain()["queryPlanner"]["winningPlan"], default=str)
        assert "IXSCAN" in plan
        assert "COLLSCAN" not in plan
        assert "SORT" not in plan


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("query", "word"),
        [
            ({}, "format"),
            ({"format": "exe"}, "format"),
            ({"format": "claude-code"}, "format"),
            ({"format": "markdown"}, "format"),
            ({"format": ["json", "csv"]}, "format"),
            ({"format": "json", "sesion": "x"}, "sesion"),
            ({"format": "json", "since": "yesterday-ish"}, "since"),
            ({"format": "json", "since": "2025-02-01", "until": "2025-01-01"}, "until"),
            ({"format": "json", "project": "no such project"}, "project"),
            ({"format": "json", "compression": "rar"}, "compression"),
            ({"format": "json", "columns": "id"}, "columns"),
            ({"format": "json", "split": "month"}, "split"),
            ({"format": "json", "layout": "one"}, "layout"),
            ({"format": "json", "endMark": "true"}, "endMark"),
            ({"format": "jsonl", "endMark": "perhaps"}, "endMark"),
            ({"format": "csv", "columns": "$where"}, "columns"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_meant_is_named_before_the_first_byte(self, alice: Client, tree: Any, query: Any, word: str) -> None:
        response = alice.get(URL, query)
        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"
        problem = response.json()
        assert problem["detail"].startswith(f"{word}:")
        assert problem["hint"]

    @pytest.mark.parametrize(
        "query",
        [
            "session=%00", "session=%ff%fe", "session=%ed%a0%80", "since=9999-99-99", "since=0000-01-01", "text=" + "x" * 600,
            "%24where=1", "session[%24ne]=x", "minCost=1e999", "minCost=NaN", "patterns=(((", "level=99", "&".join(["session=x"] * 1500),
            "compression=gzip&compression=zstd", "endMark=", "=", "redact=everything",
        ],
    )  # fmt: skip
    def test_hostile_queries_are_refused_and_take_no_place(self, alice: Client, tree: Any, query: str) -> None:
        response = alice.get(f"{URL}?format=jsonl&{query}")
        if response.status_code == 200:
            assert not list(response.streaming_content), "a text that no session is called"
        else:
            assert response.status_code == 400
            assert response.json()["code"] in ("bad_filter", "bad_input", "error")

    def test_only_staff_is_served(self, client: Client, people: Any, tree: Any) -> None:
        assert client.get(URL, {"format": "json"}).status_code == 401
        client.force_login(people.charlie)
        assert client.get(URL, {"format": "json"}).status_code == 403

    @pytest.mark.parametrize("method", ["post", "put", "delete", "head", "patch"])
    def test_nothing_but_get_is_taken(self, alice: Client, tree: Any, method: str) -> None:
        assert getattr(alice, method)(URL + "?format=json").status_code == 405

    def test_a_parameter_means_one_thing_only(self) -> None:
        assert not set(FILTERS) & set(CHOICES)
        assert not {streams.FORMAT, streams.END_MARK} & {*FILTERS, *CHOICES}


class TestHowManyAtOnce:
    @pytest.fixture
    def asked(self, tree: Any) -> Any:
        return understand({"format": ["jsonl"]})

    def test_one_person_has_some(self, asked: Any, people: Any, settings: Any, alice: Client) -> None:
        settings.CLAUDELENS_LIVE_STREAMS_PER_USER = 2
        held = [open_stream(people.alice, asked) for _ in range(2)]
        with pytest.raises(TooMany):
            open_stream(people.alice, asked)
        response = alice.get(URL, {"format": "json"})
        assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
        assert int(response.headers["Retry-After"]) > 0
        other = open_stream(people.bob, asked)
        for stream in (*held, other):
            stream.close()
            stream.close()
        open_stream(people.alice, asked).close()

    def test_all_together_have_some(self, asked: Any, people: Any, settings: Any, alice: Client) -> None:
        settings.CLAUDELENS_LIVE_STREAMS = 1
        held = open_stream(people.bob, asked)
        with pytest.raises(Busy):
            open_stream(people.root, asked)
        response = alice.get(URL, {"format": "json"})
        assert (response.status_code, response.json()["code"]) == (503, "busy")
        assert int(response.headers["Retry-After"]) > 0
        held.close()

    def test_a_stream_that_could_not_begin_takes_no_place(self, asked: Any, people: Any, monkeypatch: Any) -> None:
        def gone() -> Any:
            raise Unavailable("no database")

        monkeypatch.setattr(streams, "Interruption", gone)
        with pytest.raises(Unavailable):
            open_stream(people.alice, asked)
        assert places.taken == 0


class TestItsEnd:
    @pytest.fixture
    def slow(self, tree: Any, monkeypatch: Any) -> Any:
        """A filter for which MongoDB looks at each message for a long time, and finds nothing."""
        add = {"$add": ["$$value", 1]}
        slow = {"$reduce": {"input": {"$range": [0, 500_000]}, "initialValue": 0, "in": add}}
        monkeypatch.setattr(MessageFilter, "to_query", lambda self: {"$expr": {"$lt": [slow, 5]}})
        return understand({"format": ["jsonl"]})

    def test_a_stream_can_be_ended_while_the_database_works_on_it(self, slow: Any, people: Any) -> None:
        stream, ends = open_stream(people.alice, slow), []

        def pull() -> None:
            with pytest.raises(Unavailable):
                stream.pull()
            ends.append(time.monotonic())

        waiting = threading.Thread(target=pull)
        waiting.start()
        until(stream._at_work.locked, 5)
        time.sleep(0.1)
        start = time.monotonic()
        stream.close()
        waiting.join(10)
        assert ends
        assert ends[0] - start < 2

    def test_a_closed_stream_gives_nothing_more(self, tree: Any, people: Any) -> None:
        stream = open_stream(people.alice, understand({"format": ["jsonl"]}))
        assert stream.pull()
        stream.close()
        with pytest.raises(Unavailable):
            stream.pull()

    def test_a_fault_before_the_first_byte_is_told_as_one(self, alice: Client, tree: Any, monkeypatch: Any) -> None:
        def fail(self: Any, *_: Any) -> Any:
            raise Unavailable("MongoDB does not answer", hint="later")
            yield

        monkeypatch.setattr(ArchiveMaterial, "messages", fail)
        response = alice.get(URL, {"format": "jsonl"})
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")

    def test_a_fault_in_the_middle_is_no_end(self, alice: Client, tree: Any, monkeypatch: Any) -> None:
        def pull(self: Any) -> bytes:
            if not pieces:
                raise Unavailable("MongoDB does not answer")
            return pieces.pop()

        pieces = [b"some"]
        monkeypatch.setattr(streams.LiveStream, "pull", pull)
        response = alice.get(URL, {"format": "jsonl"})
        with pytest.raises(Unavailable):
            list(response.streaming_content)

    def test_a_response_that_nobody_reads_gives_its_place_back(self, tree: Any, people: Any, rf: Any) -> None:
        asked = understand({"format": ["jsonl"]})
        response = bodies.respond(rf.get(URL), asked, open_stream(people.alice, asked))
        assert places.taken == 1
        del response
        until(lambda: places.taken == 0, 5)

    def test_many_that_are_left_leave_nothing_behind(self, archive_db: Any, people: Any, tree: Any) -> None:
        before = open_cursors(archive_db)
        for _ in range(50):
            stream = open_stream(people.alice, understand({"format": ["json"]}))
            assert stream.pull()
            stream.close()
        until(lambda: open_cursors(archive_db) <= before, 10)
        mine = [thread for thread in threading.enumerate() if thread.name.startswith("live-export")]
        assert len(mine) <= streams.pool()._max_workers
