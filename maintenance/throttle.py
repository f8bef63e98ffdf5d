"""How a long job makes room for others: it rests in proportion to how much slower it has become.

Pure: time is told to it.
"""

from __future__ import annotations

SLACK = 2.0
"""A batch that takes so many times as long as the quickest is nothing to wonder about."""
LONGEST_REST = 2.0
SMALLEST_SAMPLE = 100


class Throttle:
    """Tells after each batch how long to rest.

    The measure is the quickest batch so far, in seconds a message: when others use the server, batches take
    longer, and the excess is given to them. Alone on the server there is no rest.
    """

    def __init__(self) -> None:
        self._quickest: float | None = None

    def rest_after(self, seconds: float, messages: int) -> float:
        """Seconds to rest after a batch of so many messages that took so long.

        >>> throttle = Throttle()
        >>> throttle.rest_after(0.1, 1000)
        0.0
        >>> throttle.rest_after(0.15, 1000)
        0.0
        >>> throttle.rest_after(1.1, 1000)
        0.9
        """
        if messages < SMALLEST_SAMPLE:
            return 0.0
        each = seconds / messages
        self._quickest = each if self._quickest is None else min(each, self._quickest)
        excess = seconds - SLACK * self._quickest * messages
        return round(min(max(excess, 0.0), LONGEST_REST), 3)
