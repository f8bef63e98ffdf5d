"""Which ages a policy may give: a message is warm before it is cold, and cold before it is frozen. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from archive.errors import BadInput


class ImpossiblePolicy(BadInput):
    """No message could ever move as the policy says; ``field`` is the age that is wrong."""

    code = "impossible_policy"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, hint="The ages have to grow: warm, then cold, then frozen.")
        self.field = field
        self.more = {"field": field}


@dataclass(frozen=True, slots=True)
class Ages:
    """After how many days a message moves to each tier; ``frozen`` None: never by itself."""

    warm: int
    cold: int
    frozen: int | None = None

    def check(self) -> None:
        """Raises ImpossiblePolicy naming the age that cannot be."""
        if self.warm < 1:
            raise ImpossiblePolicy("warm_after_days", "A message stays hot for a day at least.")
        if self.cold <= self.warm:
            told = f"It would be cold after {self.cold} days, and warm only after {self.warm}."
            raise ImpossiblePolicy("cold_after_days", told)
        if self.frozen is not None and self.frozen <= self.cold:
            told = f"It would be frozen after {self.frozen} days, and cold only after {self.cold}."
            raise ImpossiblePolicy("frozen_after_days", told)
