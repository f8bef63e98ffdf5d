"""A stage of a pipeline in a thread of its own, with a bounded queue before it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

MOST_WAITING = 4


class Stage:
    """Gives every piece that is ``put`` to ``take``, in order, in a thread of its own.

    What ``take`` raises is raised by a later ``put``, or by ``finish``. Memory: ``MOST_WAITING`` pieces;
    whoever is faster waits. Leaving the ``with`` block ends the thread: pieces that still wait are dropped.
    """

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._waiting: deque[Future[object]] = deque()

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1, "export-stage")
        return self

    def put(self, piece: bytes) -> None:
        """Hand a piece on; waits while too many are waiting."""
        while self._waiting and (len(self._waiting) >= MOST_WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._take, piece))

    def finish(self) -> None:
        """Wait until every piece is taken."""
        while self._waiting:
            self._waiting.popleft().result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
