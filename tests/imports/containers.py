"""Containers of every kind, made in memory for tests."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import zstandard


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


def stored(members: dict[str, bytes]) -> bytes:
    return zipped(members, zipfile.ZIP_STORED)


def tarred(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def zstded(data: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True, **options).compress(data)


def streamed_zstd(data: bytes, piece: int = 5000) -> bytes:
    """One frame that does not say how long it is, in blocks that a writer has flushed."""
    packer = zstandard.ZstdCompressor().compressobj()
    flushed = [
        packer.compress(data[at : at + piece]) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for at in range(0, len(data), piece)
    ]
    return b"".join([*flushed, packer.flush()])


def kinds(data: bytes) -> dict[str, tuple[str, bytes]]:
    """The same file in containers of every kind and in such ones in others: a name and the bytes of each."""
    one = {"a.jsonl": data}
    half = len(data) // 2
    return {
        "plain": ("a.jsonl", data),
        "zip": ("a.zip", zipped(one)),
        "stored zip": ("a.zip", stored(one)),
        "tar": ("a.tar", tarred(one)),
        "old tar": ("a.tar", tarred(one, tarfile.USTAR_FORMAT)),
        "GNU tar": ("a.tar", tarred({"f/" * 80 + "a.jsonl": data}, tarfile.GNU_FORMAT)),
        "gz": ("a.jsonl.gz", gzipped(data)),
        "gz of two members": (
            "a.jsonl.gz",
            gzipped(data[:half]) + bytes(600) + gzipped(data[half:]) + bytes(9),
        ),
        "zst": ("a.jsonl.zst", zstded(data)),
        "zst that tells no size": ("a.jsonl.zst", streamed_zstd(data)),
        "zst of frames": (
            "a.jsonl.zst",
            b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstded(data[:half]) + zstded(b"") + zstded(data[half:]),
        ),
        "tar.gz": ("a.tar.gz", gzipped(tarred(one))),
        "tgz": ("a.tgz", gzipped(tarred(one))),
        "tar.zst": ("a.tar.zst", zstded(tarred(one))),
        "gz in a zip": ("a.zip", zipped({"a.jsonl.gz": gzipped(data)})),
        "zst in a tar": ("a.tar", tarred({"a.jsonl.zst": zstded(data)})),
        "zip in a zip": ("a.zip", zipped({"b.zip": zipped(one)})),
        "zip in a stored zip": ("a.zip", stored({"b.zip": zipped(one)})),
        "tar.gz in a zip": ("a.zip", stored({"b.tgz": gzipped(tarred(one))})),
        "zip in a tar.zst": ("a.tar.zst", zstded(tarred({"b.zip": stored(one)}))),
        "gz in a zip in a tar": ("a.tar", tarred({"b.zip": zipped({"a.jsonl.gz": gzipped(data)})})),
        "zip in a gz": ("a.zip.gz", gzipped(zipped(one))),
        "gz in a gz": ("a.jsonl.gz.gz", gzipped(gzipped(data))),
    }


def place(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
