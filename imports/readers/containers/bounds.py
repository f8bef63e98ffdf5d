"""How far containers are unpacked, and how it is said that one is damaged or goes further."""

from dataclasses import dataclass

from archive.errors import BadInput

MB = 1024 * 1024
GB = 1024 * MB


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one source.

    ``entries``: files in all its containers; ``unpacked``: bytes that unpacking makes of it; ``ratio``: how
    many times a packed file may grow, looked at from ``suspect`` bytes on; ``levels``: containers in
    containers. ``spool_dir``: where inner containers are unpacked to, "" for the system's own place.
    """

    entries: int = 200_000
    unpacked: int = 64 * GB
    ratio: int = 1000
    suspect: int = 64 * MB
    levels: int = 3
    spool_dir: str = ""


DEFAULT_BOUNDS = Bounds()


class SourceTooLarge(BadInput):
    """A limit that counts over all of a source is passed: none of it is taken."""

    code = "bomb"


def bad_container(message: str, hint: str = "Make it again, or choose the files themselves.") -> BadInput:
    return BadInput(message, code="bad_container", hint=hint)


def cut_off(shown: str, what: str) -> BadInput:
    return bad_container(f"{shown} is cut off: its {what} ends too early.")


def damaged(shown: str, reason: object) -> BadInput:
    return bad_container(f"{shown} is damaged: {reason}.")


def grows_too_much(shown: str, ratio: float) -> BadInput:
    return BadInput(
        f"{shown} grows {ratio:,.0f} times when unpacked, which no transcript does.",
        code="bomb",
        hint="Give the file itself instead of the packed one.",
    )


def unpacks_too_much(shown: str, bounds: Bounds) -> SourceTooLarge:
    return SourceTooLarge(
        f"{shown}: its source unpacks to more than {bounds.unpacked:,} bytes, which is the limit.",
        hint="Unpack it yourself and import the folder, or import it in parts.",
    )


def too_many_entries(shown: str, bounds: Bounds) -> SourceTooLarge:
    return SourceTooLarge(
        f"{shown} has more than {bounds.entries:,} entries, which is the limit.",
        hint="Unpack it yourself and import the folder, or import it in parts.",
        code="bad_container",
    )


def nested_too_deep(shown: str, bounds: Bounds) -> BadInput:
    return BadInput(
        f"{shown} lies deeper than {bounds.levels} containers in one another.",
        code="nested_too_deep",
        hint="Unpack the outermost one and import what is in it.",
    )
