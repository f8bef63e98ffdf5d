"""The headers of tus 1.0 (https://tus.io/protocols/resumable-upload), read and written. Pure."""

from __future__ import annotations

import base64
import binascii
import re

from archive.errors import BadInput

VERSION = "1.0.0"
EXTENSIONS = "creation,checksum,expiration,termination"
PART_TYPE = "application/offset+octet-stream"
CHECKSUM_ALGORITHMS = ("sha256", "sha1")

_NUMBER = re.compile(r"[0-9]{1,18}")


def parse_number(header: str, value: str | None) -> int:
    """Read Upload-Length, Upload-Offset or Content-Length: ASCII digits only.

    :raises BadInput: missing, or anything else
    """
    if value is not None and _NUMBER.fullmatch(value.strip()):
        return int(value)
    given = "is missing" if value is None else f"is {value[:40]!r}"
    raise BadInput(
        f"The header {header} {given}.",
        hint=f"Send {header} as a plain number of bytes.",
        code="bad_header",
    )


def parse_metadata(value: str) -> dict[str, str]:
    """Read Upload-Metadata: ``key base64, key base64, …``; a key may stand without a value.

    :raises BadInput: what is not that, or values that are not UTF-8
    """
    pairs = [pair.split() for pair in value.split(",") if pair.strip()]
    try:
        return {words[0]: _decode(words[1:]) for words in pairs}
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise BadInput(
            "The header Upload-Metadata cannot be read.",
            hint="Send pairs of a key and its base64-coded UTF-8 value, parted by commas.",
            code="bad_header",
        ) from error


def _decode(words: list[str]) -> str:
    if len(words) > 1:
        raise ValueError(words)
    return base64.b64decode(words[0], validate=True).decode("utf-8") if words else ""


def parse_checksum(value: str | None) -> tuple[str, bytes] | None:
    """Read Upload-Checksum: an algorithm that we offer and the base64 of its digest.

    :raises BadInput: another algorithm, or no base64
    """
    if value is None:
        return None
    algorithm, _, digest = value.partition(" ")
    try:
        if algorithm in CHECKSUM_ALGORITHMS and digest:
            return algorithm, base64.b64decode(digest, validate=True)
    except binascii.Error:
        pass
    raise BadInput(
        "The header Upload-Checksum cannot be read.",
        hint=f"Send one of {', '.join(CHECKSUM_ALGORITHMS)}, a space and the base64 of the digest.",
        code="bad_checksum",
    )
