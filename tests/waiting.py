"""Waiting for something to become true, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

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
