"""Waiting for something to become true, instead of sleeping and hoping."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def until(predicate: Callable[[], T], timeout: float = 10, *, step: float = 0.02, what: str = "") -> T:
    """The first true value of ``predicate``; AssertionError when ``timeout`` seconds passed without."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout} s: {what or predicate!r} (last: {value!r})")
        time.sleep(step)


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, run by a loop in a thread of its own: the browser's has this one's."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
