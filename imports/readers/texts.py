"""Texts out of values whose shape nobody promises. Pure."""

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson


def text_of(value: Any, *keys: str) -> str:
    """The first of these keys that holds a text that is not empty; "" where none does, or it is no object."""
    if isinstance(value, dict):
        for key in keys:
            if isinstance(value.get(key), str) and value[key]:
                return str(value[key])
    return ""


def joined(*texts: str) -> str:
    """The texts that say something, as paragraphs."""
    return "\n\n".join(text for text in texts if text)


def block_texts(content: Any) -> Iterator[str]:
    """The texts of content blocks: what was said, thought and dictated; no tool's output."""
    for block in content if isinstance(content, list) else ():
        if isinstance(block, str):
            yield block
        elif text := text_of(block, *_TEXT_KEYS.get(text_of(block, "type"), ())):
            yield text


_TEXT_KEYS = {"text": ("text",), "thinking": ("thinking",), "voice_note": ("text",)}


def unnamed(source: str, value: Any) -> str:
    """The session id of a conversation that has none of its own: always the same for the same value."""
    try:
        told = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        told = repr(value).encode("utf-8", "surrogatepass")
    return f"{source}-{hashlib.sha256(told).hexdigest()[:16]}"
