"""What lies between a file on the disk and the bytes of one of its entries, in plain values."""

from typing import NamedTuple

from archive.errors import BadInput


class ZipMember(NamedTuple):
    """A member of a zip: its header stands at ``offset``, its ``packed`` bytes end before ``end``."""

    offset: int
    packed: int
    end: int
    size: int
    crc: int
    is_stored: bool


class TarMember(NamedTuple):
    """A member of a tar: where its bytes stand."""

    offset: int
    size: int


class Gzip(NamedTuple):
    """Packed with gzip, in one member or several."""


class Zstd(NamedTuple):
    """Packed with zstandard, in one frame or several."""


class Fault(NamedTuple):
    """What was found in the place of something that cannot be read; opening it tells so."""

    message: str
    hint: str
    code: str

    @classmethod
    def of(cls, error: BadInput) -> "Fault":
        return cls(error.message, error.hint, error.code)

    def error(self) -> BadInput:
        return BadInput(self.message, hint=self.hint, code=self.code)


Layer = ZipMember | TarMember | Gzip | Zstd | Fault
Layers = tuple[Layer, ...]
