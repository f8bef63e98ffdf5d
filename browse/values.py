"""Values of any shape as texts and mappings. Pure."""

import json
from collections.abc import Mapping
from typing import Any


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def counted(number: int, what: str) -> str:
    """``1 file``, ``2 files``"""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
