"""Large files over HTTP: resumable, verifiable, in little memory, under ASGI and WSGI alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from exports.ranges import ByteRange, Unsatisfiable, if_range_holds, matches_etag, parse_range

CHUNK_BYTES = 128 * 1024


class Request(Protocol):
    """What is read of a request; Django's and DRF's both fit."""

    @property
    def method(self) -> str | None: ...
    @property
    def headers(self) -> Any: ...
    @property
    def META(self) -> Any: ...  # noqa: N802  (Django's name)
    @property
    def user(self) -> Any: ...


@dataclass(frozen=True)
class Download:
    """A file as it is offered: its bytes, the name for the person, and its validator."""

    path: Path
    filename: str
    media_type: str
    size: int
    sha256: str

    @property
    def etag(self) -> str:
        """Strong: equal tags are equal bytes."""
        return f'"{self.sha256}"'


class FileBody:
    """A part of a file, piece by piece; ``close`` gives the descriptor back at once."""

    def __init__(self, file: BinaryIO, part: ByteRange) -> None:
        self._file = file
        self._left = part.length
        file.seek(part.start)

    def _read(self) -> bytes:
        data = self._file.read(min(CHUNK_BYTES, self._left)) if self._left else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Called by Django when the response ends, however it ends."""
        self._file.close()


class SyncFileBody(FileBody):
    """For WSGI and the test client."""

    def __iter__(self) -> Iterator[bytes]:
        while data := self._read():
            yield data


class AsyncFileBody(FileBody):
    """For ASGI, where a synchronous body would be read whole into memory."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0)  # other requests come in between two pieces
        data = self._read()
        if not data:
            raise StopAsyncIteration
        return data


class RangeFileResponse(StreamingHttpResponse):
    """The whole file (200) or one range of it (206), streamed."""

    def __init__(self, request: Request, download: Download, part: ByteRange | None) -> None:
        whole = ByteRange(0, download.size)
        self.part = part or whole
        body_class = AsyncFileBody if hasattr(request, "scope") else SyncFileBody
        super().__init__(
            body_class(download.path.open("rb"), self.part),
            status=206 if part else 200,
            headers=_headers(download) | {"Content-Length": str(self.part.length)},
        )
        if part:
            self.headers["Content-Range"] = part.content_range(download.size)


def _headers(download: Download) -> dict[str, str]:
    return {
        "Content-Type": download.media_type,
        "Content-Disposition": content_disposition_header(True, download.filename) or "attachment",
        "ETag": download.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-transform",
        "X-Content-Type-Options": "nosniff",
    }


def _without_body(download: Download, status: int, **more: str) -> HttpResponse:
    headers = _headers(download) | {name.replace("_", "-"): value for name, value in more.items()}
    return HttpResponse(status=status, headers=headers)


def respond(request: Request, download: Download) -> HttpResponseBase:
    """The right answer to GET or HEAD: 200, 206, 304, 416, or the front server's own sending.

    Raises FileNotFoundError when the file has gone meanwhile.
    """
    if matches_etag(request.headers.get("If-None-Match"), download.etag):
        return _without_body(download, 304)
    if settings.CLAUDELENS_ACCEL_REDIRECT:
        return _without_body(download, 200, X_Accel_Redirect=_protected(download))
    if request.method == "HEAD":
        return _without_body(download, 200, Content_Length=str(download.size))
    try:
        part = _asked_part(request, download)
    except Unsatisfiable:
        return _without_body(download, 416, Content_Range=f"bytes */{download.size}")
    return RangeFileResponse(request, download, part)


def sent_part(request: Request, download: Download, response: HttpResponseBase) -> ByteRange | None:
    """Which bytes the answer of ``respond`` sends; None when it sends none.

    Where the front server sends them it decides by the same headers. It has a tag of its own, so of If-Range
    the best is believed: bytes never change under their name.
    """
    if request.method != "GET":
        return None
    if isinstance(response, RangeFileResponse):
        return response.part
    if "X-Accel-Redirect" not in response.headers:
        return None
    try:
        part = parse_range(request.headers.get("Range") or "", download.size)
    except Unsatisfiable:
        return None
    return part or ByteRange(0, download.size)


def _asked_part(request: Request, download: Download) -> ByteRange | None:
    header = request.headers.get("Range")
    if header is None or not if_range_holds(request.headers.get("If-Range"), download.etag):
        return None
    return parse_range(header, download.size)


def _protected(download: Download) -> str:
    return "/protected-artifacts/" + quote(download.path.name)
