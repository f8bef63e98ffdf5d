"""The export formats. A new one is a module here, its line below, and its page in the docs."""

from __future__ import annotations

from exports.renderers import claude_code, claudelens_json, jsonl, markdown
from exports.renderers.base import Renderer

RENDERERS: dict[str, Renderer] = {
    renderer.name: renderer
    for renderer in (
        claude_code.RENDERER,
        claudelens_json.RENDERER,
        jsonl.RENDERER,
        markdown.RENDERER,
    )
}
