"""Hostile and broken containers: refused file by file with a reason and a hint, what is whole of them read,
time, memory and disk within bounds. Nothing but an ``ArchiveError`` ever comes out."""

import contextlib
import io
import struct
import tarfile
import time
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from archive.errors import ArchiveError, BadInput, OutOfSpace
from imports.readers.containers import opening
from imports.readers.sources import Bounds, close_containers, list_entries
from tests.imports.containers import gzipped, kinds, place, stored, streamed_zstd, tarred, zipped, zstded
from tests.samples.making import ONE, TWO, conversation, joined, write

MB = 1024 * 1024
DATA = joined(conversation(ONE, 60))
SMALL = kinds(joined(conversation(ONE, 2)))
PACKED = {"gz": gzipped, "zst": zstded, "zst that tells no size": streamed_zstd}


@pytest.fixture(autouse=True)
def closed():
    yield
    close_containers()


def read(entry) -> tuple[bytes, BadInput | None]:
    """What comes out of a file, and the refusal it ends with."""
    found, refused = [], None
    try:
        stream = entry.open()
        while block := stream.read(10_000):
            found.append(block)
    except BadInput as error:
        refused = error
    assert refused is None or (refused.hint and entry.name in refused.message)
    return b"".join(found), refused


def read_all(path: Path, bounds: Bounds | None = None) -> dict[str, tuple[bytes, BadInput | None]]:
    entries = list_entries(str(path), bounds=bounds or Bounds()).entries
    assert len({entry.name for entry in entries}) == len(entries)
    return {entry.name: read(entry) for entry in entries}


def refusal(path: Path, bounds: Bounds | None = None) -> BadInput:
    """The one refusal of a container, at listing or at reading."""
    try:
        (found,) = [error for _, error in read_all(path, bounds).values() if error]
    except BadInput as error:
        found = error
    assert found.hint
    return found


def drain(path: Path) -> None:
    for entry in list_entries(str(path)).entries:
        stream = entry.open()
        while stream.readline(1 << 16):
            pass


# ------------------------------------------------------------------ cut off and damaged


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_of_a_packed_file_that_is_cut_off_the_beginning_is_read(tmp_path, kind, share):
    whole = b"".join(joined(conversation(f"{n}", 100)) for n in range(20))
    packed = PACKED[kind](whole)
    data, error = read_all(place(tmp_path, "x", packed[: int(len(packed) * share)]))["x"]
    assert "cut off" in error.message
    assert error.code == "bad_container"
    assert whole.startswith(data)
    assert len(data) > len(whole) * share / 2


@pytest.mark.parametrize("pack", [lambda data: data, gzipped, zstded, streamed_zstd])
def test_of_a_tar_that_is_cut_off_the_whole_files_are_read(tmp_path, pack):
    members = {f"{n}.jsonl": joined(conversation(f"{n}", 300)) for n in range(4)}
    packed = pack(tarred(members))
    found = read_all(place(tmp_path, "x.tar", packed[: int(len(packed) * 0.8)]))
    whole = [name for name, (data, _) in found.items() if data in members.values()]
    assert len(whole) >= 2
    assert found["x.tar"][1].code == "bad_container"
    assert "cut off" in found["x.tar"][1].message


@pytest.mark.parametrize("cut", [1024 * 9, 512])
def test_a_tar_without_its_end_is_called_cut_off(tmp_path, cut):
    packed = tarred({"a.jsonl": DATA[:500]})[: 1024 + cut]
    found = read_all(place(tmp_path, "x.tar", packed[:1024]))
    assert found["x.tar: a.jsonl"] == (DATA[:500], None)
    assert "cut off or damaged at byte 1,024" in found["x.tar"][1].message


def test_a_damaged_header_in_a_tar_leaves_the_files_before_it(tmp_path):
    packed = bytearray(tarred({f"{n}.jsonl": b"x" * 500 for n in range(3)}))
    packed[1024 + 150] ^= 1
    found = read_all(place(tmp_path, "x.tar", bytes(packed)))
    assert list(found) == ["x.tar: 0.jsonl", "x.tar"]
    assert "byte 1,024" in found["x.tar"][1].message


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_wrong_checksum_is_told_at_the_end(tmp_path, kind):
    packed = bytearray(PACKED[kind](DATA))
    packed[-6 if kind == "gz" else -1] ^= 1
    data, error = read_all(place(tmp_path, "x", bytes(packed)))["x"]
    assert DATA.startswith(data)
    assert "damaged" in error.message


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_what_stands_behind_a_packed_file_is_told(tmp_path, kind):
    data, error = read_all(place(tmp_path, "x", PACKED[kind](DATA) + b"something"))["x"]
    assert data == DATA
    assert "damaged" in error.message


def test_broken_containers_in_a_folder_leave_the_others(tmp_path):
    write(tmp_path, "f/1.zip", zipped({"a.jsonl": DATA})[:-10])
    write(tmp_path, "f/2.zip", zipped({"b.jsonl": DATA}))
    write(tmp_path, "f/3.tgz", gzipped(tarred({"c.jsonl": DATA}))[:20])
    write(tmp_path, "f/4.zip", zipped({"d.zip": b"PK\x03\x04nothing", "e.jsonl": DATA}))
    found = read_all(tmp_path / "f")
    assert {name for name, (data, error) in found.items() if data == DATA and not error} == {
        "2.zip: b.jsonl",
        "4.zip: e.jsonl",
    }
    assert {name for name, (_, error) in found.items() if error} == {"1.zip", "3.tgz", "4.zip: d.zip"}


@pytest.mark.parametrize("kind", SMALL)
def test_no_byte_of_a_container_can_do_more_than_have_it_refused(tmp_path, kind):
    name, whole = SMALL[kind]
    step = max(1, len(whole) // 120)
    for at in range(0, len(whole), step):
        changed = whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]
        for data in (changed, whole[:at]):
            with contextlib.suppress(ArchiveError):
                drain(place(tmp_path, name, data))


# ------------------------------------------------------------------ zips


def overlapping(count: int) -> bytes:
    """Members that all unpack the same kernel: each one's bytes quote the headers of the next ones."""
    made = zipped({f"{n}.jsonl": DATA for n in range(count)})
    start = made.index(b"PK\x01\x02")
    body, directory = made[:start], bytearray(made[start:])
    at = 0
    for _ in range(count):
        directory[at + 42 : at + 46] = struct.pack("<L", 0)
        at = directory.find(b"PK\x01\x02", at + 4)
    return body + bytes(directory)


def test_members_that_share_their_bytes_are_refused_and_others_read(tmp_path):
    found = read_all(place(tmp_path, "x.zip", overlapping(4)))
    assert [error.code for _, error in found.values()] == ["bad_container"] * 4
    made = bytearray(zipped({"a.jsonl": DATA, "b.jsonl": DATA, "c.jsonl": DATA}))
    second = made.index(b"PK\x01\x02", made.index(b"PK\x01\x02") + 4)
    made[second + 42 : second + 46] = struct.pack("<L", 10)
    found = read_all(place(tmp_path, "x.zip", bytes(made)))
    assert [bool(error) for _, error in found.values()] == [True, True, False]


def test_a_longer_header_does_not_reach_into_the_next_member(tmp_path):
    made = bytearray(zipped({"a.jsonl": DATA, "b.jsonl": DATA}))
    made[28:30] = struct.pack("<H", 400)
    found = read_all(place(tmp_path, "x.zip", bytes(made)))
    assert "overlaps" in found["x.zip: a.jsonl"][1].message
    assert found["x.zip: b.jsonl"] == (DATA, None)


def test_one_encrypted_member_is_refused_and_the_others_read(tmp_path):
    made = bytearray(zipped({"a.jsonl": DATA, "b.jsonl": DATA}))
    made[made.index(b"PK\x01\x02") + 8] |= 1
    found = read_all(place(tmp_path, "x.zip", bytes(made)))
    assert "encrypted" in found["x.zip: a.jsonl"][1].message
    assert found["x.zip: b.jsonl"] == (DATA, None)


# ------------------------------------------------------------------ tars


def header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


GOOD = tarred({"good.jsonl": DATA}, tarfile.USTAR_FORMAT)
HOSTILE_TARS = {
    "a size below nothing": header("a.jsonl", tarfile.REGTYPE, -(10**6)),
    "a long name below nothing": header("a.jsonl", tarfile.GNUTYPE_LONGNAME, -512),
    "extended headers without end": header("x", tarfile.XHDTYPE, 0) * 5000,
    "long names without end": (header("x", tarfile.GNUTYPE_LONGNAME, 5) + b"name".ljust(512, b"\0")) * 3000,
    "a name of gigabytes": header("x", tarfile.GNUTYPE_LONGNAME, 8 * 1024 * MB) + bytes(40 * MB),
    "a header of gigabytes": header("x", tarfile.XHDTYPE, 8 * 1024 * MB) + bytes(40 * MB),
    "a sparse map without end": header("x", tarfile.XHDTYPE, 60)
    + b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n".ljust(512, b"\0")
    + header("x.jsonl", tarfile.REGTYPE, 512)
    + b"99999999999\n"
    + b"1\n" * (20 * MB),
}


@pytest.mark.parametrize("name", HOSTILE_TARS)
def test_a_hostile_header_ends_a_tar_at_once(tmp_path, name):
    path = place(tmp_path, "x.tar", GOOD[: 512 + len(DATA) + -len(DATA) % 512] + HOSTILE_TARS[name])
    started = time.process_time()
    found = read_all(path)
    assert time.process_time() - started < 5
    assert found["x.tar: good.jsonl"] == (DATA, None)
    assert any(error for _, error in found.values()) or name == "a sparse map without end"


# ------------------------------------------------------------------ zstandard


def test_a_frame_that_wants_much_memory_is_refused(tmp_path):
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(28 - 10) << 3]) + b"\x01\0\0"
    assert zstandard.get_frame_parameters(frame).window_size == 256 * MB
    assert "268,435,456 bytes of memory" in refusal(place(tmp_path, "x.zst", frame)).message


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x48" + (2 * MB - 1 << 3 | 3).to_bytes(3, "little") + b"x",  # one byte, two million times
        b"\x00\x48" + (200_000 << 3 | 1).to_bytes(3, "little") + bytes(200_000),
        b"\x00\x48" + (8 << 3 | 7).to_bytes(3, "little") + bytes(8),  # a kind of block that is none
        b"\x03\x48\x01\x00\x00\x00" + b"\x01\0\0",  # needs a dictionary
        b"\x08\x48\x01\0\0",  # a reserved bit
        b"",
    ],
)
def test_a_frame_that_is_none_is_refused(tmp_path, body):
    assert refusal(place(tmp_path, "x.zst", b"\x28\xb5\x2f\xfd" + body)).code == "bad_container"


# ------------------------------------------------------------------ bombs


def zeros_gz(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(MB)) for _ in range(size // MB)), packer.flush()])


def zeros_zst(size: int) -> bytes:
    """Blocks of 128 KiB in four bytes each."""
    block = (128 * 1024 << 3 | 2).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x48" + block * (size // (128 * 1024)) + b"\x01\0\0"


def zeros_zip(size: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.jsonl", bytes(size))
    return made.getvalue()


BOMBS = {
    "gz": lambda: zeros_gz(400 * MB),
    "zst": lambda: zeros_zst(1 << 40),
    "zip": lambda: zeros_zip(100 * MB),
    "zst in a zip": lambda: stored({"a.zst": zeros_zst(1 << 38)}),
    "tar.zst": lambda: zstded(GOOD[:-1024]) + zeros_zst(1 << 40),
    "gz in a gz": lambda: gzipped(zeros_gz(200 * MB)),
    "zip in a zip": lambda: zipped({"b.zip": zeros_zip(100 * MB)}),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_found_before_it_takes_time_or_room(tmp_path, kind):
    path = place(tmp_path, "x", BOMBS[kind]())
    started = time.process_time()
    error = refusal(path)
    assert (error.code, "times when unpacked" in error.message) == ("bomb", True)
    assert time.process_time() - started < 6


def test_a_zip_that_holds_itself_ends(tmp_path):
    nested = zipped({"a.jsonl": DATA})
    for _ in range(30):
        nested = zipped({"a.zip": nested, "b.jsonl": DATA})
    found = read_all(place(tmp_path, "x.zip", nested))
    assert [data for data, error in found.values() if not error] == [DATA] * 3
    assert [error.code for _, error in found.values() if error] == ["nested_too_deep"]


@pytest.mark.parametrize("pack", [zipped, tarred, lambda members: gzipped(tarred(members))])
def test_the_depth_is_limited_and_told(tmp_path, pack):
    one, two = pack({"a.jsonl": DATA}), pack({"b": b"", "b.zip": pack({"c.zip": pack({"a.jsonl": DATA})})})
    assert read_all(place(tmp_path, "x", two))["x: b.zip: c.zip: a.jsonl"] == (DATA, None)
    assert refusal(place(tmp_path, "x", two), Bounds(levels=2)).code == "nested_too_deep"
    assert refusal(place(tmp_path, "x", one), Bounds(levels=0)).code == "nested_too_deep"


def test_a_packed_file_counts_as_a_container(tmp_path):
    path = place(tmp_path, "x.zip", zipped({"y.zip": zipped({"a.jsonl.gz": gzipped(DATA)})}))
    assert read_all(path)["x.zip: y.zip: a.jsonl.gz"] == (DATA, None)
    assert refusal(path, Bounds(levels=2)).code == "nested_too_deep"


# ------------------------------------------------------------------ limits over all of a source


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_entries_are_counted_over_all_containers(tmp_path, pack):
    inner = pack({f"{n}.jsonl": DATA for n in range(3)})
    path = place(tmp_path, "x", pack({"a.zip": inner, "b.zip": inner, "c.png": b""}))
    assert len(read_all(path, Bounds(entries=9))) == 6
    with pytest.raises(BadInput, match="more than 8 entries") as caught:
        list_entries(str(path), bounds=Bounds(entries=8))
    assert caught.value.hint


def test_bytes_that_a_zip_unpacks_to_are_counted_before(tmp_path):
    path = place(tmp_path, "x.zip", zipped({f"{n}.jsonl": DATA for n in range(3)}))
    assert len(read_all(path, Bounds(unpacked=3 * len(DATA)))) == 3
    with pytest.raises(BadInput, match="unpacks to more than") as caught:
        list_entries(str(path), bounds=Bounds(unpacked=3 * len(DATA) - 1))
    assert caught.value.code == "bomb"


@pytest.mark.parametrize("pack", [gzipped, zstded, streamed_zstd])
def test_bytes_that_packed_files_unpack_to_are_counted_as_they_come(tmp_path, pack):
    path = place(tmp_path, "x.tar", tarred({f"{n}.jsonl.gz": pack(DATA * 10) for n in range(3)}))
    bounds = Bounds(unpacked=3 * 10 * len(DATA))
    entries = list_entries(str(path), bounds=bounds).entries
    for entry in [*entries, *entries]:  # what is read again counts once
        assert read(entry)[1] is None
    strict = [replace(entry, bounds=Bounds(unpacked=25 * len(DATA))) for entry in entries]
    close_containers()
    codes = [error and error.code for _, error in map(read, strict)]
    assert codes == [None, None, "bomb"]


def test_inner_containers_count_with_all_their_bytes(tmp_path):
    path = place(tmp_path, "x.tgz", gzipped(tarred({"a.jsonl": DATA * 30})))
    assert refusal(path, Bounds(unpacked=20 * len(DATA))).code == "bomb"


def test_a_full_disk_is_told(tmp_path):
    with pytest.raises(OutOfSpace) as caught, open("/dev/full", "wb", buffering=0) as full:
        opening._write_all(full, DATA)
    assert caught.value.hint


# ------------------------------------------------------------------ what changes meanwhile


def test_a_container_that_changes_meanwhile_is_refused_or_read_anew(tmp_path):
    path = place(tmp_path, "x.tgz", gzipped(tarred({"a.jsonl": DATA, "b.jsonl": DATA})))
    first, second = list_entries(str(path)).entries
    assert read(first) == (DATA, None)
    place(tmp_path, "x.tgz", gzipped(tarred({"a.jsonl": joined(conversation(TWO, 60))})))
    assert read(first)[0] == joined(conversation(TWO, 60))
    assert "are missing" in read(second)[1].message
    path.unlink()
    with pytest.raises(BadInput, match="is gone"):
        first.open()
