"""What can go wrong, as types that decide what happens next.

``Unavailable`` is transient (a runner tries again); every other ``ArchiveError`` is terminal and
is told to the person who asked. Anything that is not an ``ArchiveError`` is a bug.
"""

from typing import Any


class ArchiveError(Exception):
    """A refusal that is told to a person: what happened, and in ``hint`` what to do next."""

    code = "archive_error"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        # What programs are told besides: plain values by camelCase names.
        self.more: dict[str, Any] = {}
        if code:
            self.code = code


class BadInput(ArchiveError):
    """What was given cannot be taken, now or later."""

    code = "bad_input"


class TooLarge(BadInput):
    """What was given is over a limit that the message names."""

    code = "too_large"


class TooMany(ArchiveError):
    """Too often, or too much at once, for now; ``retry_after`` is in how many seconds it may work."""

    code = "rate_limited"

    def __init__(self, message: str, *, hint: str = "", code: str = "", retry_after: int) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after = retry_after


class NotFound(ArchiveError):
    """There is no such thing, or it is not yours to see."""

    code = "not_found"


class Conflict(ArchiveError):
    """Somebody else was there first; the message says who or what."""

    code = "conflict"


class Gone(ArchiveError):
    """It was here, and was deleted on purpose (expired, revoked)."""

    code = "gone"


class OutOfSpace(ArchiveError):
    """The disk is too full to go on safely."""

    code = "out_of_space"


class Unavailable(ArchiveError):
    """A server did not answer; trying again later is right."""

    code = "unavailable"


class Busy(Unavailable):
    """The server does as much as it may; ``retry_after`` is in how many seconds to ask again."""

    code = "busy"

    def __init__(self, message: str, *, hint: str = "", code: str = "", retry_after: int) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after = retry_after


class TooSlow(Unavailable):
    """The database could not answer within the time that a person would wait."""

    code = "too_slow"
