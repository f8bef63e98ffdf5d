"""Which port to serve on."""

import errno
import socket


class PortTakenError(RuntimeError):
    """The port that was asked for is somebody else's."""


def choose(host: str, port: int, *, is_explicit: bool) -> int:
    """The port itself, or, where it was not asked for by name, the next free one of a hundred.

    Raises PortTakenError.
    """
    last = port if is_explicit else min(port + 100, 65535)
    for candidate in range(port, last + 1):
        if is_free(host, candidate):
            return candidate
    raise PortTakenError(
        f"Port {port} of {host} is taken." if is_explicit else f"Ports {port} to {last} are taken."
    )


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now. Raises OSError for what is no matter of ports."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True
