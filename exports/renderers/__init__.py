"""The export formats. A new one is a module here, its line below, and its page in the docs."""

from __future__ import annotations

from exports.renderers import claude_code, claudelens_json, csv_table, html_files, jsonl, markdown, parquet
from exports.renderers.base import Renderer

RENDERERS: dict[str, Renderer] = {
    renderer.name: renderer
    for renderer in (
        claude_code.RENDERER,
        claudelens_json.RENDERER,
        jsonl.RENDERER,
        csv_table.RENDERER,
        markdown.RENDERER,
        html_files.RENDERER,
        parquet.RENDERER,
    )
}
