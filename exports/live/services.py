"""What an export would come to, from what a person asks for."""

from __future__ import annotations

from collections.abc import Mapping

from exports import services
from exports.estimates import Estimate, estimate


def estimate_asked(name: object, asked: Mapping[str, object], choices: Mapping[str, object]) -> Estimate:
    """The estimate of an export that was not begun yet. Raises BadInput naming what is wrong with it."""
    renderer, message_filter, made = services.understand(name, asked, choices)
    return estimate(renderer, message_filter, made)
