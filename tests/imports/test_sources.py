"""Where files come from: one file, a folder, a zip; whatever they are called and however they are made."""

import os
import pickle
import struct
import time
import zipfile
from pathlib import Path

import pytest

from archive.errors import BadInput, NotFound
from imports.readers.sources import close_containers, list_entries
from tests.samples.making import ONE, SLUG, conversation, joined, write

DATA = joined(conversation(ONE, 5))


@pytest.fixture(autouse=True)
def closed():
    yield
    close_containers()


def tree(path, name: str = "") -> list[str]:
    return [entry.tree_path for entry in list_entries(str(path), name).entries]


def content(entry, offset: int = 0) -> bytes:
    stream = entry.open(offset)
    try:
        return b"".join(iter(lambda: stream.readline(1000), b""))
    finally:
        stream.close()


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


# ------------------------------------------------------------------ folders and files


@pytest.mark.parametrize("given", ["", "projects", f"projects/{SLUG}"])
def test_a_file_has_the_same_path_whichever_folder_is_given(tmp_path, given):
    write(tmp_path, f".claude/projects/{SLUG}/{ONE}.jsonl", DATA)
    write(tmp_path, f".claude/projects/{SLUG}/{ONE}/subagents/agent-1.jsonl", DATA)
    found = tree(tmp_path / ".claude" / given)
    assert found == [f"projects/{SLUG}/{ONE}.jsonl", f"projects/{SLUG}/{ONE}/subagents/agent-1.jsonl"]


def test_a_lone_file_has_its_path_if_its_folder_tells_it(tmp_path):
    inside = write(tmp_path, f"x/projects/{SLUG}/{ONE}.jsonl", DATA)
    assert tree(inside) == [f"projects/{SLUG}/{ONE}.jsonl"]
    assert tree(write(tmp_path, "a.jsonl", DATA)) == [""]
    assert tree(write(tmp_path, "history.jsonl", DATA)) == ["history.jsonl"]


def test_an_uploaded_file_has_the_path_it_had_in_the_browser(tmp_path):
    stored = write(tmp_path, "upload-77", DATA)
    assert tree(stored, f"projects/{SLUG}/{ONE}.jsonl") == [f"projects/{SLUG}/{ONE}.jsonl"]
    assert tree(stored, f"{SLUG}/{ONE}.jsonl") == [f"projects/{SLUG}/{ONE}.jsonl"]
    assert tree(stored, f"{ONE}.jsonl") == [""]
    assert tree(stored, "../../etc/x.jsonl") == ["projects/etc/x.jsonl"]


def test_other_files_are_counted_and_links_are_not_followed(tmp_path):
    outside = write(tmp_path, "outside.jsonl", DATA)
    folder = tmp_path / "projects"
    write(folder, "-a/1.jsonl", DATA)
    write(folder, "-a/todo.txt", b"x")
    (folder / "-a/link.jsonl").symlink_to(outside)
    (folder / "-a/dangling.jsonl").symlink_to(tmp_path / "nowhere")
    (folder / "-b").symlink_to(tmp_path)
    os.mkfifo(folder / "-a/pipe.jsonl")
    listing = list_entries(str(folder))
    assert ([entry.name for entry in listing.entries], listing.passed_over) == (["-a/1.jsonl"], 4)


def test_a_folder_that_is_a_link_itself_is_read(tmp_path):
    write(tmp_path, "real/projects/-a/1.jsonl", DATA)
    (tmp_path / "claude").symlink_to(tmp_path / "real")
    assert tree(tmp_path / "claude") == ["projects/-a/1.jsonl"]


def test_file_names_may_be_anything(tmp_path):
    folder = tmp_path / "projects" / "-a"
    folder.mkdir(parents=True)
    for name in (
        b"\xff\xfe.jsonl",
        b"new\nline.jsonl",
        b"a\\b.jsonl",
        "é☃.jsonl".encode(),
        b"$x.jsonl",
        b"(1)~2.jsonl",
    ):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(DATA)
    entries = list_entries(str(tmp_path)).entries
    assert len(entries) == 6
    for entry in entries:
        (entry.name + entry.tree_path).encode()  # no halves of characters
        assert content(entry) == DATA
        assert ".." not in entry.tree_path


@pytest.mark.parametrize("path", ["", "/nowhere/at/all", "x" * 5000, "/dev/null/x", "a\0b", "\udcff"])
def test_what_is_not_there_is_said_to_be_missing(path):
    with pytest.raises((NotFound, BadInput)):
        list_entries(path or "/nowhere")


def test_devices_and_pipes_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe")):
        with pytest.raises(BadInput, match="neither a file nor a folder"):
            list_entries(path)


def test_a_folder_without_transcripts_is_refused(tmp_path):
    write(tmp_path, "a.txt", b"x")
    with pytest.raises(BadInput, match="none of its 1 files") as caught:
        list_entries(str(tmp_path))
    assert caught.value.hint


def test_entries_are_plain_values_that_another_process_can_open(tmp_path):
    packed = pack(tmp_path / "a.zip", {"projects/-a/1.jsonl": DATA})
    for path in (packed, write(tmp_path, "b.jsonl", DATA)):
        (entry,) = list_entries(str(path)).entries
        assert content(pickle.loads(pickle.dumps(entry))) == DATA


# ------------------------------------------------------------------ zips


def test_a_zip_is_read_like_a_folder_in_the_order_of_its_paths(tmp_path):
    members = {f".claude/projects/{SLUG}/{name}.jsonl": DATA + name.encode() for name in "cab"}
    listing = list_entries(
        str(pack(tmp_path / "x.zip", {**members, "readme.txt": b"", "__MACOSX/._a.jsonl": b"x"}))
    )
    assert [entry.tree_path for entry in listing.entries] == [
        f"projects/{SLUG}/{name}.jsonl" for name in "abc"
    ]
    assert listing.passed_over == 2
    assert content(listing.entries[0]) == DATA + b"a"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_reading_begins_anywhere_in_a_member(tmp_path, method):
    (entry,) = list_entries(str(pack(tmp_path / "x.zip", {"a.jsonl": DATA}, method))).entries
    for offset in (0, 1, 500, len(DATA)):
        assert content(entry, offset) == DATA[offset:]


def test_members_of_the_same_name_are_all_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.jsonl", DATA)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.jsonl", b"other\n")
    entries = list_entries(str(tmp_path / "x.zip")).entries
    assert sorted(map(content, entries)) == sorted([DATA, b"other\n"])


def test_names_in_a_zip_lead_nowhere_else(tmp_path):
    names = [
        "../../../etc/cron.d/a.jsonl",
        "/etc/b.jsonl",
        "C:\\windows\\c.jsonl",
        "a/../../d.jsonl",
        "./e.jsonl",
        "x\u202ef.jsonl",
    ]
    found = tree(pack(tmp_path / "x.zip", dict.fromkeys(names, DATA)))
    assert all(
        path.startswith("projects/") and ".." not in path and ":" not in path and "\\" not in path
        for path in found
    )


def test_a_name_of_any_length_is_made_short(tmp_path):
    (path,) = tree(pack(tmp_path / "x.zip", {"projects/" + "y" * 60_000 + "/a.jsonl": DATA}))
    assert len(path) < 1200


def test_a_link_in_a_zip_is_passed_over(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("link.jsonl")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.jsonl", DATA)
    listing = list_entries(str(tmp_path / "x.zip"))
    assert ([entry.name for entry in listing.entries], listing.passed_over) == (["x.zip: a.jsonl"], 1)


def patched(path: Path, *changes: tuple[int, bytes]) -> Path:
    data = bytearray(path.read_bytes())
    for at, new in changes:
        data[at : at + len(new)] = new
    path.write_bytes(data)
    return path


def central(path: Path) -> int:
    """Where the list of entries begins."""
    return path.read_bytes().index(b"PK\x01\x02")


def refusal(path: Path) -> BadInput:
    with pytest.raises(BadInput) as caught:
        for entry in list_entries(str(path)).entries:
            content(entry)
    assert caught.value.hint
    return caught.value


def test_an_encrypted_zip_is_refused(tmp_path):
    path = pack(tmp_path / "x.zip", {"a.jsonl": DATA})
    assert "encrypted" in refusal(patched(path, (central(path) + 8, b"\x01"))).message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bounds_are_refused(tmp_path, method):
    assert "unusual" in refusal(pack(tmp_path / "x.zip", {"a.jsonl": DATA}, method)).message


def test_a_method_that_nobody_knows_is_refused(tmp_path):
    path = pack(tmp_path / "x.zip", {"a.jsonl": DATA})
    assert refusal(patched(path, (central(path) + 10, b"\x63"))).code == "bad_container"


@pytest.mark.parametrize("size", [0, 10, len(DATA) - 1, len(DATA) + 1, 2**31])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_size_that_lies_is_refused(tmp_path, size, method):
    path = pack(tmp_path / "x.zip", {"a.jsonl": DATA}, method)
    assert refusal(patched(path, (central(path) + 24, struct.pack("<L", size)))).code in (
        "bad_container",
        "bomb",
    )


def test_a_wrong_checksum_is_refused_once_all_is_read(tmp_path):
    path = pack(tmp_path / "x.zip", {"a.jsonl": DATA}, zipfile.ZIP_STORED)
    assert refusal(patched(path, (100, b"X"))).code == "bad_container"


def test_a_bomb_is_refused_before_it_is_read(tmp_path):
    path = pack(tmp_path / "x.zip", {"a.jsonl": bytes(80_000_000)})
    assert refusal(path).code == "bomb"


@pytest.mark.parametrize("keep", [5, 100, 300, -1, -10, -25])
def test_a_zip_that_was_cut_off_is_called_one(tmp_path, keep):
    path = pack(tmp_path / "x.zip", {"a.jsonl": os.urandom(500)})
    path.write_bytes(path.read_bytes()[:keep])
    found = refusal(path)
    assert found.code == "bad_container"
    assert "zip" in found.message


def test_overlapping_members_and_names_that_disagree_are_refused(tmp_path):
    path = pack(tmp_path / "x.zip", {"a.jsonl": DATA, "b.jsonl": DATA})
    second = path.read_bytes().index(b"PK\x01\x02", central(path) + 4)
    assert refusal(patched(path, (second + 42, struct.pack("<L", 0)))).code == "bad_container"


def test_no_byte_of_a_zip_can_do_more_than_have_it_refused(tmp_path):
    whole = pack(tmp_path / "x.zip", {"projects/-a/1.jsonl": DATA, "é.jsonl": DATA[:300]}).read_bytes()
    path = tmp_path / "y.zip"
    for at in range(0, len(whole), 1):
        for change in (0x00, 0xFF, whole[at] ^ 0x40):
            path.write_bytes(whole[:at] + bytes([change]) + whole[at + 1 :])
            try:
                for entry in list_entries(str(path)).entries:
                    content(entry)
            except (BadInput, NotFound):
                pass


def test_text_with_the_end_of_a_zip_in_it_is_text(tmp_path):
    path = write(
        tmp_path,
        "a.jsonl",
        DATA
        + zipfile.ZipFile(tmp_path / "e.zip", "w").close().__str__().encode()
        + (tmp_path / "e.zip").read_bytes(),
    )
    assert len(list_entries(str(path)).entries) == 1
    assert content(list_entries(str(path)).entries[0]).startswith(DATA)


def test_a_zip_of_many_files_is_opened_once(tmp_path):
    packed = pack(
        tmp_path / "x.zip", {f"projects/-a/{n}.jsonl": b"{}\n" for n in range(4000)}, zipfile.ZIP_STORED
    )
    start = time.perf_counter()
    assert sum(len(content(entry)) for entry in list_entries(str(packed)).entries) == 12_000
    assert time.perf_counter() - start < 5


def test_a_zip_that_was_replaced_meanwhile_is_read_anew(tmp_path):
    packed = pack(tmp_path / "x.zip", {"a.jsonl": DATA, "b.jsonl": DATA})
    entries = list_entries(str(packed)).entries
    assert content(entries[1]) == DATA
    packed.unlink()
    pack(packed, {"a.jsonl": b"new\n"})
    with pytest.raises(BadInput, match="another than it was"):
        content(entries[1])
    packed.unlink()
    with pytest.raises(BadInput, match="gone"):
        content(entries[0])
