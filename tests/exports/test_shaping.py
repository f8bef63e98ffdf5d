"""Nothing that is masked or left out is in any file of any format, and nothing pretends to be what it was."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from archive.records import content_hash, identity
from exports.choices import CONTENTS, SECRETS, Choices
from exports.filters import BadFilter
from exports.renderers import RENDERERS
from exports.renderers.base import Renderer, refuse_choices
from exports.shaping import Changes, Shaped, losses, masked_facts, shaped, told_changes
from tests.exports.material import PlainFile, PlainMaterial, message, session, small_archive
from tests.exports.secrets import WITHIN

TOKEN, EMAIL, NAME, OWN = WITHIN["github-token"], "zanoberta@example.org", "zanoberta", "PROJEKTO-X17"
PLANTED = (TOKEN, EMAIL, NAME, OWN)
EVERYTHING = Choices(redact=SECRETS, patterns=("PROJEKTO-[A-Z0-9]+",))
HOME = f"/home/{NAME}/app"
SLUG = f"-home-{NAME}-app"
PRIVATE = f"saluton {TOKEN}, {EMAIL}, {HOME}, {OWN} ☃"


def record(uuid: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "uuid": uuid, "cwd": HOME, "message": {"role": "assistant", "content": content}, **more}


def blocks() -> list[dict[str, Any]]:
    inner = json.dumps({"env": {"API_KEY": "abcdef123"}, "out": PRIVATE})
    return [
        {"type": "text", "text": PRIVATE},
        {"type": "thinking", "thinking": f"thought of {PRIVATE}", "signature": "c2ln"},
        {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": PRIVATE, TOKEN: [{"x": EMAIL}]}},
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": inner}]},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
    ]


class Archive(PlainMaterial):
    """Private texts wherever a text can stand."""

    def project(self, project_id: Any) -> dict[str, Any]:
        return {"slug": SLUG, "path": HOME}


def archive() -> Archive:
    first = record("s1-1", blocks(), toolUseResult={"stdout": PRIVATE, TOKEN: EMAIL})
    messages = [
        message("s1", 1, record=first, text=PRIVATE, cwd=HOME, gitBranch=f"{OWN}/x", source="claude-code"),
        message("s1", 2, record=record("s1-2", "ok"), text="ok", raw=f'{{"x":"{TOKEN}","x":"ok"}}'.encode()),
        message(f"history-home-{NAME}-app", 1, record={"display": PRIVATE, "project": HOME}, text=PRIVATE),
        message("s2", 1, text=None, raw=json.dumps(record("s2-1", PRIVATE), ensure_ascii=False).encode()),
        message("s2", 2, text=f"{TOKEN} kaj {{", raw=f'{{"torn": "{TOKEN} {EMAIL}'.encode()),
    ]
    for each in messages[3:]:
        del each["record"]
    messages.sort(key=lambda each: str(each["sessionId"]))
    sessions = [{**session(name, 2), "title": PRIVATE, "summary": PRIVATE, "tags": [OWN], "titles": {"custom": PRIVATE}, "cwd": HOME}
                for name in sorted({each["sessionId"] for each in messages})]  # fmt: skip
    lines = [json.dumps(first).encode(), f"broken {PRIVATE}".encode(), json.dumps(record("s1-2", PRIVATE), ensure_ascii=False).encode()]
    files = [PlainFile("f1", f"projects/{SLUG}/{OWN}.jsonl", b"\n".join(lines)), PlainFile("f2", f"projects/{SLUG}/notes.txt", PRIVATE.encode())]
    call = {"apiMessageId": "m1", "sessionId": "s1", "projectId": "65f0c0ffee00000000000001", "model": OWN, "timestamp": messages[0]["timestamp"]}
    return Archive(messages, sessions, files, call_list=[call])


def opened(data: bytes) -> bytes:
    """Everything that a reader of the file gets to see: names and contents of zips, cells of tables."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return b"\n".join(name.encode() + b"\n" + opened(packed.read(name)) for name in packed.namelist())
    if data.startswith(b"PAR1"):
        parquet = pytest.importorskip("pyarrow.parquet")
        return repr(parquet.read_table(io.BytesIO(data)).to_pylist()).encode()
    return data


def ways() -> Iterator[Any]:
    for renderer in RENDERERS.values():
        for layout in renderer.layouts:
            for rows in renderer.rows or ("",):
                yield pytest.param(renderer, layout, rows, id="-".join(filter(None, (renderer.name, layout, rows))))


every_way = pytest.mark.parametrize(("renderer", "layout", "rows"), list(ways()))


@every_way
class TestNothingPrivateIsInAnyFile:
    def rendered(self, renderer: Renderer, layout: str, rows: str, **chosen: Any) -> bytes:
        columns = ("all",) if "columns" in renderer.takes else ()
        choices = Choices(layout=layout, rows=rows, columns=columns, **chosen)
        self.material = archive()
        return opened(b"".join(renderer.render(self.material, choices)))

    def test_nothing_that_was_planted_is_there(self, renderer: Renderer, layout: str, rows: str) -> None:
        data = self.rendered(renderer, layout, rows, redact=SECRETS, patterns=EVERYTHING.patterns)
        shown = data.decode("utf-8", "replace")
        for text in PLANTED:
            assert text not in shown
        assert NAME.upper() not in shown.upper()
        assert not any(text in note for note in self.material.notes for text in PLANTED)

    def test_it_would_have_been_there(self, renderer: Renderer, layout: str, rows: str) -> None:
        data = self.rendered(renderer, layout, rows)
        assert OWN.encode() in data, "the test before shows something"

    def test_what_is_left_out_is_not_there(self, renderer: Renderer, layout: str, rows: str) -> None:
        if "files" in renderer.needs:
            pytest.skip("whole files: nothing is left out of them, see below")
        data = self.rendered(renderer, layout, rows, without=CONTENTS)
        for text in (b"thought of", b"abcdef123", b"iVBORw0KGgo", b"c2ln"):
            assert text not in data


class TestChanges:
    def shape(self, *messages: dict[str, Any], **chosen: Any) -> tuple[list[Any], Changes]:
        material = PlainMaterial(list(messages))
        return list(shaped(material, Choices(**chosen)).messages()), material.changes

    def test_what_is_not_asked_for_changes_nothing(self) -> None:
        material = small_archive()
        assert shaped(material, Choices()) is material

    def test_a_message_that_holds_nothing_private_is_the_very_same(self) -> None:
        given = message("s1", 1, cwd="/srv/app", raw=b'{"x": 1}')
        (found,), changes = self.shape(given, redact=("secrets", "emails"))
        assert found == given
        assert changes == Changes()
        assert changes.as_dict() == {}

    def test_one_that_is_changed_is_known_by_what_it_is_now(self) -> None:
        given = message("s1", 1, record=record("u1", PRIVATE), text=PRIVATE, raw=b"{}", lead=1, crc32=7)
        (found,), changes = self.shape(given, redact=SECRETS)
        assert found["changed"] is True
        assert not {"raw", "lead", "crc32"} & set(found)
        assert found["contentHash"] == content_hash(found["record"]) != given["contentHash"]
        assert found["_id"] == identity("s1", found["contentHash"]) != given["_id"]
        assert changes.count == 1
        assert given["record"]["message"]["content"] == PRIVATE, "the message of the archive stays as it was"

    def test_text_and_record_agree(self) -> None:
        (found,), _ = self.shape(message("s1", 1, record=record("u1", PRIVATE), text=PRIVATE), redact=SECRETS)
        assert found["text"] == found["record"]["message"]["content"]

    def test_a_secret_that_the_text_cuts_in_two_is_masked_too(self) -> None:
        said = "x" * 1000 + " " + "y " * 15_874 + TOKEN + " end"
        assert 0 < said.index(TOKEN) < 32 * 1024 < said.index(TOKEN) + len(TOKEN)
        given = message("s1", 1, record=record("u1", said), text=said[: 32 * 1024], cwd="/srv")
        (found,), _ = self.shape(given, redact=("secrets",))
        assert found["text"] == said.replace(TOKEN, "[redacted:github-token]")[: 32 * 1024]
        unknown = message("s1", 1, record={"display": "x"}, text=said[: 32 * 1024], cwd="/srv")
        (found,), _ = self.shape(unknown, redact=("secrets",))
        assert found["text"] == said[: said.index(TOKEN) - 1] + " …"

    def test_exact_bytes_that_hold_more_than_their_record_are_dropped(self) -> None:
        given = message("s1", 1, record=record("u1", "ok", cwd="/srv"), cwd="/srv", raw=f'{{"a":"{TOKEN}","a":1}}'.encode())
        given["record"]["cwd"] = "/srv"
        (found,), changes = self.shape(given, redact=("secrets",))
        assert "raw" not in found
        assert found["changed"] is True
        assert changes.count == 1

    def test_a_project_is_known_by_its_masked_slug(self) -> None:
        whole = Shaped(archive(), Choices(redact=("paths",)))
        found = next(iter(whole.messages()))
        names = whole.project(found["projectId"])
        assert names == {"slug": "-home--redacted-home--app", "path": "/home/[redacted:home]/app"}
        assert {each["projectId"] for each in whole.sessions()} == {found["projectId"]}
        assert found["projectId"] != "65f0c0ffee00000000000001"

    def test_the_whole_name_of_a_home_is_masked_in_its_slug(self) -> None:
        class Dotted(PlainMaterial):
            def project(self, project_id: Any) -> dict[str, Any]:
                return {"slug": "-Users-zano-berta-app", "path": "/Users/zano.berta/app"}

        given = message("s1", 1, cwd="/Users/zano.berta/app", record={"cwd": "/Users/zano.berta/app", "slug": "-Users-zano-berta-app"})
        data = b"".join(RENDERERS["json"].render(Dotted([given]), Choices(redact=("paths",))))
        assert b"berta" not in data
        assert b"-Users--redacted-home--app" in data

    def test_sessions_keep_their_titles_whatever_their_ids_become(self) -> None:
        names = [f"history-home-{name}-app" for name in ("ana", "bea", "cio")] + ["history-srv", "zeta"]
        messages = [message(name, 1) for name in names]
        material = PlainMaterial(messages, [session(name, 1) for name in names])
        data = b"".join(RENDERERS["json"].render(material, Choices(redact=("paths",))))
        told = [(each["id"], each["title"]) for each in json.loads(data)["conversations"]]
        assert [title for _, title in told] == ["About history-home--redacted-home--app"] * 3 + ["About history-srv", "About zeta"]
        assert b"_order" not in data

    def test_counts_are_told(self) -> None:
        _, changes = self.shape(message("s1", 1, record=record("u1", blocks()), text="x", cwd="/srv"), redact=("emails",), without=("images",))
        assert changes.left_out == Counter({"images": 1})
        assert changes.redacted["email"] >= 4
        assert set(changes.as_dict()) == {"redacted", "leftOut", "changed"}
        assert "email" in told_changes(changes)
        other = Changes()
        other.take_in(changes)
        assert other == changes

    def test_the_manifest_does_not_call_it_lossless(self) -> None:
        assert losses(("Nothing: all is there.",), Changes()) == ["Nothing: all is there."]
        assert losses(("Nothing: all is there.", "Order."), Changes(count=2)) == [
            "Order.", "What was masked or left out: 2 messages or files are not as in the archive."
        ]  # fmt: skip

    def test_what_the_manifest_tells_of_files_is_masked(self) -> None:
        facts = [{"path": f"projects/{SLUG}/x.jsonl", "copies": [{"path": HOME}]}]
        assert NAME not in json.dumps(masked_facts(EVERYTHING, facts))
        assert masked_facts(Choices(), facts) is facts


class TestRefusals:
    @pytest.mark.parametrize("kind", CONTENTS)
    def test_nothing_is_left_out_of_whole_files(self, kind: str) -> None:
        with pytest.raises(BadFilter, match="gives whole files back") as refused:
            refuse_choices(RENDERERS["claude-code"], Choices(without=(kind,)))
        assert refused.value.field == "without"
        assert "redact" in refused.value.hint

    @pytest.mark.parametrize("renderer", [each for each in RENDERERS.values() if "files" not in each.needs], ids=lambda each: each.name)
    def test_every_other_format_leaves_out_and_masks(self, renderer: Renderer) -> None:
        refuse_choices(renderer, Choices(without=CONTENTS, redact=SECRETS, patterns=("x",)))
