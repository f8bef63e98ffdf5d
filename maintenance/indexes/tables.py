"""What the tables of indexes on pages are filled with: see ``templates/maintenance/_indexes.html``."""

from __future__ import annotations

from typing import Any

from maintenance.indexes import services

ICONS = {"required": "✓", "unique": "✓", "expiring": "✓", "used": "✓", "unknown": "?", "hidden": "◌"}


def context() -> dict[str, Any]:
    """Everything that the fragment needs: index_rows, advice_rows, shape_rows. Raises Unavailable."""
    return {
        "index_rows": [_index_row(each) for each in services.list_indexes()],
        "advice_rows": [_advice_row(each) for each in services.list_advice()],
        "shape_rows": services.list_shapes(),
    }


def fields_in_words(keys: list[dict[str, Any]]) -> str:
    """``sessionId, -timestamp``; other kinds than up and down are told."""
    return ", ".join(_field(each["field"], each["direction"]) for each in keys)


def _field(name: str, direction: Any) -> str:
    if direction in {1, -1}:
        return name if direction == 1 else f"-{name}"
    return f"{name} ({direction})"


def _index_row(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "fields": fields_in_words(told["keys"]), "icon": ICONS.get(told["verdict"], "!")}


def _advice_row(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "fields": fields_in_words(told["keys"])}
