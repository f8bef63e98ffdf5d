"""What somebody could say to break a page, and pictures."""

from __future__ import annotations

import base64
from typing import Any

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
"""One pixel."""
BAD = "window.ran=1"
HOSTILE = [
    f"<script>{BAD}</script>", f"</script><script>{BAD}</script>", f"</style><script>{BAD}</script>", f"</title><script>{BAD}</script>",
    f"<!--<script>{BAD}</script>-->", f"--><script>{BAD}</script>", f"]]><script>{BAD}</script>", "<![CDATA[<script>", "<!-- never closed",
    f"<img src=x onerror={BAD}>", f'"><img src=x onerror={BAD}>', f"' onmouseover='{BAD}", f"<svg onload={BAD}>", f"<svg><script>{BAD}</script></svg>",
    f"<math><mi xlink:href=javascript:{BAD}>x</mi></math>", f"<iframe srcdoc='<script>parent.{BAD}</script>'></iframe>",
    f"<a href=javascript:{BAD}>x</a>", f"[x](javascript:{BAD})", f"[x](JaVaScRiPt:{BAD})", f"[x](&#106;avascript:{BAD})",
    f"<javascript:{BAD}>", f"[x](data:text/html,<script>{BAD}</script>)", f"[x](vbscript:{BAD})", "[x](file:///etc/passwd)",
    "![x](https://example.org/spy.png)", "<img src=https://example.org/spy.png>", "<link rel=stylesheet href=https://example.org/spy.css>",
    "<style>@import url(https://example.org/spy.css); * {display:none}</style>", "<base href=https://example.org/>",
    "<meta http-equiv=refresh content='0;url=https://example.org/'>", "<form action=https://example.org/><button>x</button></form>",
    f"<details open ontoggle={BAD}>", "</details></article></main></body></html>", "</pre></div></details>", "<plaintext>", "<textarea>",
    "<noscript><p title='</noscript><img src=x onerror=window.ran=1>'>", "\x00\x08\x1b[31m\x7f\x9f\ufdd0\ufffe\U0001ffff\U0010ffff",
    "# a\n## b\n### c", "```html\n<script>", "~~~~\n", "|a|\n|-|\n|<script>|", "\u202ereversed", "<h1>x</h1>", "&lt;script&gt;",
]  # fmt: skip


def block(kind: str, text: str) -> dict[str, Any]:
    """A content block with a text."""
    return {"type": kind, kind: text}


def image(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    """A picture as transcripts hold it."""
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
    return {"type": "image", "source": source}
