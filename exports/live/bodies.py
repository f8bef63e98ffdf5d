"""Live exports as the answer to a request, under ASGI and WSGI alike."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, wait

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from exports.downloads import Request
from exports.live.streams import Asked, LiveStream, pool

FIRST_SECONDS = 2.0
"""A fault within so long is told as such; later the answer has begun, and a fault cuts it off."""


class StreamBody:
    """The pieces of a stream, which is closed with the response, or once nobody knows it any more."""

    def __init__(self, stream: LiveStream) -> None:
        self._stream = stream
        # Not the body's own method: that would keep the body alive.
        self._close = weakref.finalize(self, pool().submit, stream.close)
        self._close.atexit = False
        self._first: Future[bytes] | None = pool().submit(stream.pull)

    def wait_for_first(self, seconds: float) -> None:
        """Give the database so long for the first piece. Raises what went wrong meanwhile."""
        if self._first is not None and wait([self._first], seconds).done:
            self._first.result()

    def _pull(self) -> Future[bytes]:
        first, self._first = self._first, None
        return first or pool().submit(self._stream.pull)

    def close(self) -> None:
        """End the stream, in a thread of the pool. Idempotent."""
        self._close()


class SyncBody(StreamBody):
    """For WSGI and the test client."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            while piece := self._pull().result():
                yield piece
        finally:
            self.close()


class AsyncBody(StreamBody):
    """For ASGI: the server asks for a piece when the client has taken the one before."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = b""
        try:
            piece = await asyncio.wrap_future(self._pull())
        finally:
            # At the end, at a fault, and when the client has left: Django closes no response that failed.
            if not piece:
                self.close()
        if not piece:
            raise StopAsyncIteration
        return piece


def respond(request: Request, asked: Asked, stream: LiveStream) -> StreamingHttpResponse:
    """The answer to a GET, once its first piece is there or known to take a while.

    Raises Unavailable where the database fails before that; the stream is closed then.
    """
    body = (AsyncBody if hasattr(request, "scope") else SyncBody)(stream)
    is_good = False
    try:
        body.wait_for_first(FIRST_SECONDS)
        is_good = True
    finally:
        if not is_good:
            body.close()
    return StreamingHttpResponse(body, headers=_headers(asked))


def _headers(asked: Asked) -> dict[str, str]:
    is_text = asked.media_type.startswith("text/")
    return {
        "Content-Type": f"{asked.media_type}; charset=utf-8" if is_text else asked.media_type,
        "Content-Disposition": content_disposition_header(True, asked.filename) or "attachment",
        "Cache-Control": "private, no-store, no-transform",
        "X-Accel-Buffering": "no",
        "X-Content-Type-Options": "nosniff",
    }
