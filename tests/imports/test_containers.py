"""Containers of every kind, in one another: the same bytes from any offset, in any process, in little memory."""

import os
import pickle
import random
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imports.readers.containers import opening
from imports.readers.sources import close_containers, list_entries
from tests.imports.containers import gzipped, kinds, place, stored, tarred, zipped, zstded
from tests.samples.making import ONE, SLUG, conversation, joined, write

ROOT = Path(__file__).resolve().parents[2]
MB = 1024 * 1024
DATA = joined(conversation(ONE, 60))
KINDS = kinds(DATA)
GUESSED = {
    "gz", "gz of two members", "zst", "zst that tells no size", "zst of frames", "gz in a zip", "zst in a tar",
    "gz in a zip in a tar", "gz in a gz",
}  # fmt: skip


@pytest.fixture(autouse=True)
def closed():
    yield
    close_containers()


def content(entry, offset: int = 0, piece: int = 3000) -> bytes:
    stream = entry.open(offset)
    try:
        return b"".join(iter(lambda: stream.read(piece), b""))
    finally:
        stream.close()


def lines(entry) -> list[bytes]:
    stream = entry.open()
    try:
        return list(iter(lambda: stream.readline(100_000), b""))
    finally:
        stream.close()


def only(folder: Path, kind: str):
    (entry,) = list_entries(str(place(folder, *KINDS[kind]))).entries
    return entry


# ------------------------------------------------------------------ the bytes


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_comes_out_as_it_went_in(tmp_path, kind):
    entry = only(tmp_path, kind)
    assert content(entry) == DATA
    assert lines(entry) == DATA.splitlines(keepends=True)


@pytest.mark.parametrize("kind", KINDS)
def test_reading_begins_at_any_byte(tmp_path, kind):
    entry = only(tmp_path, kind)
    chance = random.Random(kind)
    for offset in (0, 1, len(DATA) - 1, len(DATA), *(chance.randrange(len(DATA)) for _ in range(20))):
        assert content(entry, offset, chance.choice([1000, 100_000])) == DATA[offset:], offset


@pytest.mark.parametrize("kind", KINDS)
def test_reading_behind_the_end_is_refused_but_for_a_plain_file(tmp_path, kind):
    entry = only(tmp_path, kind)
    if kind == "plain":
        assert content(entry, len(DATA) + 1) == b""
    else:
        with pytest.raises(opening.BadInput, match="shorter than it was"):
            entry.open(len(DATA) + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_true_or_said_to_be_a_guess(tmp_path, kind):
    entry = only(tmp_path, kind)
    assert entry.exact_size == (kind not in GUESSED)
    if entry.exact_size or kind in ("gz", "zst", "zst in a tar"):
        assert entry.size == len(DATA)
    assert entry.size > 0


def test_entries_can_be_opened_in_another_process(tmp_path):
    entries = []
    for kind in KINDS:
        folder = tmp_path / kind
        folder.mkdir()
        entries.append(only(folder, kind))
    (tmp_path / "entries").write_bytes(pickle.dumps(entries))
    code = (
        "import pickle, sys, hashlib\n"
        "for entry in pickle.load(open(sys.argv[1], 'rb')):\n"
        "    print(hashlib.sha256(entry.open().read(10**8)).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "entries")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.split()
    assert len(set(told)) == 1
    assert len(told) == len(KINDS)


def test_threads_read_the_same_container_beside_each_other(tmp_path):
    members = {f"{n}.jsonl": DATA[: n * 100] for n in range(1, 20)}
    entries = list_entries(str(place(tmp_path, "x.tgz", gzipped(tarred(members))))).entries
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(content, entries * 4)) == sorted([*members.values()] * 4)


def test_a_stream_outlives_the_containers_that_are_let_go(tmp_path):
    entry = only(tmp_path, "zip in a tar.zst")
    stream = entry.open()
    begin = stream.read(10)
    close_containers()
    assert begin + stream.read(10**6) == DATA


# ------------------------------------------------------------------ what is listed, and how it is called


def test_the_files_of_a_container_are_those_of_a_folder(tmp_path):
    members = {
        f"projects/{SLUG}/{ONE}.jsonl": DATA,
        f"projects/{SLUG}/{ONE}/tool-results/a.txt": DATA,
        f"projects/{SLUG}/memory/MEMORY.md": DATA,
        "history.jsonl": DATA,
        "settings.json": DATA,
        "a.CSV": DATA,
        "notes.txt": b"x",
        "picture.png": b"x",
        "projects/._a.jsonl": b"x",
        "node_modules/a/package.json": b"x",
        "__MACOSX/a.json": b"x",
        "x/.git/config.json": b"x",
    }
    for name, data in members.items():
        write(tmp_path / "folder", name, data)
    listings = [list_entries(str(tmp_path / "folder"))]
    for name, data in (
        ("a.zip", zipped(members)),
        ("a.tar", tarred(members)),
        ("a.tgz", gzipped(tarred(members))),
    ):
        listings.append(list_entries(str(place(tmp_path, name, data))))
    for listing in listings:
        assert sorted((each.inside, each.tree_path) for each in listing.entries) == sorted(
            [
                ("history.jsonl", "history.jsonl"),
                (f"projects/{SLUG}/{ONE}.jsonl", f"projects/{SLUG}/{ONE}.jsonl"),
                ("a.CSV", "projects/a.CSV"),
                ("settings.json", "projects/settings.json"),
                (f"projects/{SLUG}/{ONE}/tool-results/a.txt", f"projects/{SLUG}/{ONE}/tool-results/a.txt"),
                (f"projects/{SLUG}/memory/MEMORY.md", f"projects/{SLUG}/memory/MEMORY.md"),
            ]
        )
    # Folders that are not walked are not counted either.
    assert [listing.passed_over for listing in listings] == [3, 6, 6, 6]


def test_names_and_paths_through_containers(tmp_path):
    shard = zipped({"conversations.json": DATA})
    outer = zipped(
        {"x-batch-0000.zip": shard, "x-batch-0001.zip": shard, "projects/-a/1.jsonl.gz": gzipped(DATA)}
    )
    entries = list_entries(str(place(tmp_path, "mail.zip", outer))).entries
    assert [(each.name, each.inside, each.tree_path) for each in entries] == [
        ("mail.zip: projects/-a/1.jsonl.gz", "projects/-a/1.jsonl", "projects/-a/1.jsonl"),
        (
            "mail.zip: x-batch-0000.zip: conversations.json",
            "x-batch-0000.zip/conversations.json",
            "projects/x-batch-0000/conversations.json",
        ),
        (
            "mail.zip: x-batch-0001.zip: conversations.json",
            "x-batch-0001.zip/conversations.json",
            "projects/x-batch-0001/conversations.json",
        ),
    ]


def test_a_container_in_a_folder_brings_the_paths_that_it_knows(tmp_path):
    tree = zipped({".claude/projects/-b/2.jsonl": DATA, "3.jsonl": DATA, "history.jsonl": DATA})
    write(tmp_path, f"projects/{SLUG}/old.zip", tree)
    write(tmp_path, f"projects/{SLUG}/1.jsonl.zst", zstded(DATA))
    found = [each.tree_path for each in list_entries(str(tmp_path / "projects")).entries]
    assert found == [
        f"projects/{SLUG}/1.jsonl",
        "history.jsonl",
        "projects/-b/2.jsonl",
        f"projects/{SLUG}/old/3.jsonl",
    ]


@pytest.mark.parametrize(
    ("name", "inside", "tree_path"),
    [
        ("a.jsonl.gz", "a.jsonl", ""),
        ("history.jsonl.gz", "history.jsonl", "history.jsonl"),
        (f"projects/{SLUG}/a.jsonl.gz", f"projects/{SLUG}/a.jsonl", f"projects/{SLUG}/a.jsonl"),
        ("backup", "backup", ""),
    ],
)
def test_a_lone_packed_file_has_the_path_of_what_it_holds(tmp_path, name, inside, tree_path):
    (entry,) = list_entries(str(place(tmp_path, "upload-7", gzipped(DATA))), name).entries
    assert (entry.name, entry.inside, entry.tree_path) == (name, inside, tree_path)
    assert content(entry) == DATA


def test_content_decides_what_is_a_container(tmp_path):
    members = {
        "a.jsonl": gzipped(DATA),
        "b.json": zipped({"x.jsonl": DATA}),
        "c.zip": DATA,
        "d.gz": zstded(DATA),
        "e.tar": DATA,
        "f.csv": tarred({"y.jsonl": DATA}),
    }
    for data in (zipped(members), tarred(members)):
        entries = list_entries(str(place(tmp_path, "x", data))).entries
        assert [each.name.removeprefix("x: ") for each in entries] == [
            "a.jsonl", "b.json: x.jsonl", "c.zip", "d.gz", "e.tar", "f.csv: y.jsonl",
        ]  # fmt: skip
        assert {content(each) for each in entries} == {DATA}


def test_links_devices_and_sparse_files_of_a_tar_are_passed_over(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for kind in (
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.CHRTYPE,
            tarfile.FIFOTYPE,
            tarfile.GNUTYPE_SPARSE,
        ):
            info = tarfile.TarInfo(f"{kind.decode()}.jsonl")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        (tmp_path / "a.jsonl").write_bytes(DATA)
        archive.add(tmp_path / "a.jsonl", "a.jsonl")
    listing = list_entries(str(tmp_path / "x.tar"))
    assert ([each.name for each in listing.entries], listing.passed_over) == (["x.tar: a.jsonl"], 5)


def test_names_in_a_tar_lead_nowhere_else(tmp_path):
    names = ["../../etc/a.jsonl", "/etc/b.jsonl", "C:\\w\\c.jsonl", "x/../../d.jsonl", "\udcff\udcfee.jsonl"]
    members = {name.encode("utf-8", "surrogateescape").decode("latin-1"): DATA for name in names}
    entries = list_entries(str(place(tmp_path, "x.tar", tarred(members)))).entries
    assert len(entries) == 5
    for entry in entries:
        assert entry.tree_path.startswith("projects/")
        assert not set(entry.inside.split("/")) & {"..", "", "C:"}
        entry.name.encode()


def test_what_one_container_holds_stays_together(tmp_path):
    """Another order would unpack it again for every file."""
    shards = {f"{n}.zip": zipped({f"projects/-{n}{m}/a.jsonl": DATA for m in range(3)}) for n in range(8)}
    entries = list_entries(str(place(tmp_path, "x.zip", zipped(shards)))).entries
    shards_in_order = [entry.layers[0] for entry in entries]
    assert len(dict.fromkeys(shards_in_order)) == 8
    assert sum(a != b for a, b in zip(shards_in_order, shards_in_order[1:], strict=False)) == 7


# ------------------------------------------------------------------ the temporary files


def open_files() -> set[str]:
    return {os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()}


def test_temporary_files_have_no_name_and_are_given_back(tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    bounds = opening.Bounds(spool_dir=str(spool))
    packed = place(tmp_path, "x.zip", zipped({f"{n}.zip": zipped({"a.jsonl": DATA}) for n in range(10)}))
    entries = list_entries(str(packed), bounds=bounds).entries
    assert [content(each) for each in entries] == [DATA] * 10
    kept = {each for each in open_files() if str(spool) in each}
    assert 0 < len(kept) <= opening.KEPT_FILES
    assert list(spool.iterdir()) == []
    close_containers()
    assert not {each for each in open_files() if str(tmp_path) in each}
    close_containers()


def test_a_container_that_lies_unpacked_in_another_is_read_in_place(tmp_path):
    nested = stored({"a.zip": stored({"b.tar": tarred({"c.jsonl": DATA})})})
    bounds = opening.Bounds(spool_dir="/nowhere")
    (entry,) = list_entries(str(place(tmp_path, "x.zip", nested)), bounds=bounds).entries
    assert content(entry) == DATA


# ------------------------------------------------------------------ time and memory


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_large_container_is_listed_at_once(tmp_path, kind):
    noise = random.Random(1).randbytes(MB)
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for number in range(300):
                archive.writestr(f"projects/-a/{number}.jsonl", noise)
    else:
        with path.open("wb") as file:
            for number in range(300):
                file.write(tarred({f"projects/-a/{number}.jsonl": noise}, tarfile.USTAR_FORMAT)[: MB + 512])
            file.write(bytes(1024))
    started = time.process_time()
    assert len(list_entries(str(path)).entries) == 300
    assert time.process_time() - started < 0.5


MEASURE = """
import re, sys
from pathlib import Path
from imports.readers.sources import list_entries
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))
before, size = peak(), 0
for entry in list_entries(sys.argv[1]).entries:
    stream = entry.open()
    while block := stream.readline(1 << 20):
        size += len(block)
print(size, (peak() - before) // 1024)
"""


@pytest.mark.parametrize("kind", ["zip", "gz", "zst", "tar.gz", "zip in a zip"])
def test_memory_does_not_grow_with_the_file(tmp_path, kind):
    chance = random.Random(2)
    lines = [chance.randbytes(30).hex().encode() * 20 + b"\n" for _ in range(400)]
    data = b"".join(chance.choice(lines) for _ in range(200_000_000 // 1201))
    name, packed = {
        "zip": lambda: ("a.zip", zipped({"a.jsonl": data})),
        "gz": lambda: ("a.gz", gzipped(data)),
        "zst": lambda: ("a.zst", zstded(data)),
        "tar.gz": lambda: ("a.tar.gz", gzipped(tarred({"a.jsonl": data}))),
        "zip in a zip": lambda: ("a.zip", zipped({"b.zip": stored({"a.jsonl": data})})),
    }[kind]()
    path = place(tmp_path, name, packed)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    size, megabytes = map(int, done.stdout.split())
    assert size == len(data)
    assert megabytes < 24
