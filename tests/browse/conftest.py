"""An archive with conversations in it, put there by a real import."""

import json
import re

import pytest
from django.core.management import call_command

from tests.browse.lines import call, image, result
from tests.browse.prose_samples import HOSTILE

MAIN = "11111111-aaaa-4aaa-8aaa-000000000001"
LONG = "11111111-aaaa-4aaa-8aaa-000000000002"
ODD = "odd/../id ?#\n<b>"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Transcript:
    """Lines as Claude Code writes them, a second apart."""

    def __init__(self, session=MAIN, cwd="/home/ada/web.shop"):
        self.session, self.cwd, self.records = session, cwd, []

    def add(self, kind, content=None, **fields):
        number = len(self.records) + 1
        record = {
            "type": kind,
            "uuid": f"{number:08d}-0000-4000-8000-{abs(hash(self.session)) % 10**12:012d}",
            "parentUuid": None,
            "sessionId": self.session,
            "timestamp": f"2026-01-31T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z",
            "cwd": self.cwd,
            "gitBranch": "main",
            "version": "2.1.14",
            "isSidechain": False,
            "userType": "external",
        }
        if content is not None:
            record["message"] = {"role": kind, "content": content}
        self.records.append(record | fields)
        return self

    def answer(self, *content, call_id="msg_1", model="claude-opus-4-5-20251101"):
        usage = {"input_tokens": 1000, "output_tokens": 2000}
        message = {"id": call_id, "type": "message", "role": "assistant", "model": model, "usage": usage}
        return self.add("assistant", message=message | {"content": list(content)}, requestId=f"r{call_id}")

    def write(self, folder, name=""):
        slug = re.sub(r"[^A-Za-z0-9]", "-", self.cwd)
        path = folder / "projects" / slug / f"{name or self.session}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in self.records))


def main_transcript():
    text = {"type": "text", "text": "**Fixed** it. See [docs](https://docs.example)."}
    thinking = {"type": "thinking", "thinking": "Where is it?", "signature": "c2ln"}
    main = Transcript().add("user", "Fix the <b>cart</b> total")
    main.answer(thinking).answer(text).answer(call("Bash", {"command": "pytest -q"}))
    main.add("user", [result([{"type": "text", "text": "1 passed"}, image(PNG)])])
    main.add("user", [{"type": "text", "text": "What is this?"}, image(PNG)])
    main.add("system", subtype="turn_duration", durationMs=1234)
    main.add("hologram", beam="blue")
    main.answer({"type": "text", "text": "x"}, call_id="msg_2", model="claude-unheard-of-9")
    for text in HOSTILE:
        main.answer({"type": "text", "text": text}, call_id=f"evil{len(main.records)}")
        main.add("user", text)
    return main


def fill(folder):
    """Write the conversations of these tests below ``folder``."""
    main_transcript().write(folder)
    agent = Transcript().add("user", "Search the tests", isSidechain=True, agentId="abc12345")
    agent.write(folder, "agent-abc12345")
    long = Transcript(LONG, cwd="/home/ada/notes")
    for number in range(130):
        long.add("user", f"Prompt number {number}").answer(
            {"type": "text", "text": f"Answer {number}"}, call_id=f"l{number}"
        )
    long.write(folder)
    Transcript(ODD).add("user", "An odd name").write(folder, "odd")


_stored = {}


@pytest.fixture
def imported(archive_db, people, tmp_path):
    """Four files of three conversations of two projects, and the job that brought them."""
    fill(tmp_path)
    call_command("import_archive", str(tmp_path), user="root", verbosity=0)
    return archive_db


@pytest.fixture
def archive(archive_db, request, tmp_path):
    """What ``imported`` leaves in the archive: imported once, put back document by document."""
    if not _stored:
        request.getfixturevalue("imported")
        names = archive_db.list_collection_names(filter={"type": "collection"})
        _stored.update({name: list(archive_db[name].find()) for name in names})
        return archive_db
    fill(tmp_path)
    for name, documents in _stored.items():
        if documents:
            archive_db[name].delete_many({})  # an emptied archive has its first partition again
            archive_db[name].insert_many(documents)
    return archive_db


@pytest.fixture
def staff(client, people):
    """A client that is signed in as staff."""
    client.force_login(people.alice)
    return client
