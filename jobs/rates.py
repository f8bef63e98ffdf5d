"""How fast a job goes and how long it will take. Pure."""

import math

SMOOTHING_SECONDS = 10.0


class Rate:
    """A speed per second, smoothed exponentially so that it neither jumps nor lies for long.

    The first sample only sets where counting begins: what a resumed job did before is not speed.
    """

    def __init__(self, smoothing: float = SMOOTHING_SECONDS) -> None:
        self._smoothing = smoothing
        self._last: tuple[float, float] | None = None
        self.value: float | None = None

    def sample(self, amount: float, at: float) -> None:
        """Tell the amount done by the time ``at`` (seconds of any steady clock)."""
        if self._last is None or amount < self._last[0]:
            self._last = (amount, at)
            return
        before, then = self._last
        if at <= then:
            return
        self._last = (amount, at)
        self._blend((amount - before) / (at - then), at - then)

    def _blend(self, speed: float, seconds: float) -> None:
        if self.value is None:
            self.value = speed
            return
        weight = 1.0 - math.exp(-seconds / self._smoothing)
        self.value += weight * (speed - self.value)


def seconds_left(done: int, total: int | None, rate: float | None) -> float | None:
    """The time the rest will take at this rate; None when that cannot be told."""
    if total is None or not rate or rate <= 0:
        return None
    return max(0.0, (total - done) / rate)
