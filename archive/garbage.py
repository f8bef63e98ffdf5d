"""How often Python looks for cycles in a process that goes through documents. Pure."""

import gc

NEW_OBJECTS = 20_000
"""More than the containers of a fetch of messages: they are gone again before anybody looks for them."""


def collect_seldom() -> None:
    """Spare the collector what was imported so far, and let it look less often than Python's 700 objects.

    Documents are trees without cycles: looking for some among thousands of them finds none, for up to a fifth
    of an export's time. Idempotent; once for each process, when it has imported what it needs.
    """
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 10)
