"""Claude Code's other files: known by their place, kept whole, given back where they were."""

import zipfile
from pathlib import Path

import pytest

from imports.formats import detect
from imports.naming import beside_projects
from imports.readers.sources import list_entries
from tests.imports.reading import MemoryEntry
from tests.imports.running import check_files, check_projects, given_back, run
from tests.samples.making import ONE, SLUG, TWO, conversation, joined

TREE = {
    f"projects/{SLUG}/{ONE}.jsonl": joined(conversation(ONE, 6)),
    f"projects/{SLUG}/{ONE}/tool-results/toolu_1.txt": b"long output\r\n" * 9,
    f"projects/{SLUG}/{ONE}/tool-results/toolu_2.txt": b'[{"uuid":"c","chat_messages":[{"sender":"human"}]}]',
    f"projects/{SLUG}/{ONE}/tool-results/toolu_3.txt": joined(conversation(TWO, 2)),
    f"projects/{SLUG}/{ONE}/subagents/agent-a1.meta.json": b'{"agentType":"x"}',
    f"projects/{SLUG}/sessions-index.json": b'{"entries": []}',
    f"projects/{SLUG}/memory/MEMORY.md": b"# Memory",
    f"todos/{ONE}-agent-{ONE}.json": b"[]",
    "plans/quiet-weaving-loom.md": b"# Plan\n",
    f"file-history/{ONE}/0123abcd@v2": b"\xff\xfe\x00\x01 binary",
}


@pytest.fixture
def tree(tmp_path) -> Path:
    folder = tmp_path / ".claude"
    for path, data in TREE.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder


def test_a_tree_comes_back_whole(archive_db, tree):
    done = run(tree)
    assert given_back(archive_db) == TREE
    assert (done.inserted, done.rejected, done.last.refused_files) == (6 + 9, 0, 0)
    check_files(archive_db)
    check_projects(archive_db)


def test_a_zip_of_a_tree_comes_back_whole(archive_db, tree, tmp_path):
    for name, root in (("home.zip", tree.parent), ("inside.zip", tree)):
        place = tmp_path / name
        with zipfile.ZipFile(place, "w") as out:
            for path in TREE:
                out.write(tree / path, (tree / path).relative_to(root).as_posix())
        run(place, job=name)
        assert given_back(archive_db) == TREE


def test_they_belong_to_the_session_of_their_folder_or_name(archive_db, tree):
    run(tree)
    sessions = {each["_id"]: each for each in archive_db.sessions.find()}
    assert set(sessions) == {ONE, f"files-{SLUG.lstrip('-')}", "files-unsorted"}
    assert sessions[ONE]["messageCount"] == 6 + 6
    transcript = archive_db.messages_current.find_one({"type": "user"})
    assert sessions[ONE]["projectId"] == transcript["projectId"]


def test_they_are_neither_prompts_nor_titles(archive_db, tree):
    run(tree)
    told = list(archive_db.messages_current.find({"type": "side-file"}))
    assert len(told) == 9
    assert not [each for each in told if each.get("isPrompt") or each.get("model")]


def test_what_a_file_holds_is_found_and_readable(archive_db, tree):
    run(tree)
    by_name = {
        each["record"]["name"]: each for each in archive_db.messages_current.find({"type": "side-file"})
    }
    assert by_name["agent-a1.meta.json"]["record"]["content"] == {"agentType": "x"}
    assert by_name["toolu_1.txt"]["text"].startswith("long output")
    assert by_name["0123abcd@v2"]["record"]["content"].startswith("\\xff\\xfe")


def test_a_file_that_was_written_anew_is_another_one(archive_db, tree):
    run(tree)
    todo = tree / f"todos/{ONE}-agent-{ONE}.json"
    todo.write_bytes(b'[{"content":"oil"}]')
    assert run(tree, job="again").inserted == 1
    assert given_back(archive_db) == {**TREE, f"todos/{ONE}-agent-{ONE}~2.json": b'[{"content":"oil"}]'}


@pytest.mark.parametrize(
    "path",
    [
        "projects/notes/memory/MEMORY.md",
        "projects/notes/agent-a1.meta.json",
        f"projects/{SLUG}/notes.md",
        f"projects/{SLUG}/{ONE}.jsonl",
        "todos/monday.json",
        "plans/Roadmap.md",
        f"file-history/{ONE}/notes",
    ],
)
def test_other_places_are_nobodys(path):
    tree_path = path if path.startswith("projects/") else beside_projects(path) or f"projects/{path}"
    found = detect(MemoryEntry(joined(conversation(ONE, 1)), path, path, tree_path))
    assert found.format.name == "claude-code"


def test_what_lies_in_a_conversations_folder_is_known_in_any_tree():
    for path in (f"projects/copy/{ONE}/subagents/agent-a1.meta.json", f"projects/a/b/{ONE}/tool-results/x.txt"):
        assert detect(MemoryEntry(b"{}", path, path, path)).format.name == "claude-code-side"


def test_transcripts_are_listed_before_the_files_beside_them(tree):
    listed = [each.tree_path for each in list_entries(str(tree)).entries]
    assert listed[0] == f"projects/{SLUG}/{ONE}.jsonl"
    assert sorted(listed) == sorted(TREE)
