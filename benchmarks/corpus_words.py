"""What the made conversations talk of: words by frequency, phrases, code, models, folders."""

# ruff: noqa: SIM905  (long lists of words are easier to read as text)

import os
import random
import sys
from itertools import accumulate
from pathlib import Path

COMMON = (
    "the to a of and is in that for it with on this as be are not by or from we can will an "
    "have you so if at use but all there now let me need should which when has code file test "
    "then into only same more also one new first because function value error line call "
    "returns set data after before each them its add check where was what these other been "
    "change using makes does make run any two up out how just see here still your would no "
    "see without while between same list name type string path case result state method class "
    "module import export message session user request response server client index query "
    "update create delete find tests fails passed missing required optional default current "
    "existing different correct wrong instead since already likely actually looks good fix "
    "issue problem handle handler return argument parameter option field object array number"
).split()
RARE = (
    "authentication migration serializer pagination aggregate collection timestamp partition "
    "retention archive bucket compression throughput latency backpressure idempotent retry "
    "exponential websocket middleware dependency injection container orchestrate deployment "
    "pipeline artifact container kubernetes terraform postgres mongodb redis celery worker "
    "scheduler heartbeat consumer producer broker exchange routing schema validator pydantic "
    "dataclass decorator generator coroutine asyncio threadpool semaphore mutex deadlock race "
    "condition rollback transaction isolation snapshot checkpoint replica primary secondary "
    "election oplog cursor projection sort hint explain covering compound sparse wildcard "
    "normalise denormalise canonical checksum digest signature certificate rotation secret "
    "environment variable configuration override precedence fallback feature toggle rollout "
    "telemetry metric histogram percentile dashboard alert budget threshold anomaly baseline "
    "regression fixture parametrize monkeypatch coverage assertion mock stub integration flaky "
    "typescript component props hook reducer selector memoize render hydrate suspense router "
    "stylesheet viewport breakpoint accessibility keyboard focus modal tooltip dropdown table "
    "virtualised scroll infinite debounce throttle optimistic invalidate prefetch stale cache "
    "unicode encoding surrogate escape delimiter quoting newline carriage whitespace truncate "
    "streaming chunk buffer flush backfill upsert duplicate conflict merge resolve reconcile "
    "naive locale timezone daylight leap epoch monotonic drift precision rounding decimal float"
).split()
SYLL = (
    "ac al an ar as at ba be bi bo ca ce co cu da de di do du ed el em en er es et fa fe fi "
    "fo ga ge go ha he hi ho ic id il im in io ir is it la le li lo lu ma me mi mo mu na ne "
    "ni no nu ob od of ol om on op or os pa pe pi po pu qu ra re ri ro ru sa se si so su ta "
    "te ti to tu ul um un up ur us va ve vi vo wa we wi wo ya"
).split()
PHRASES = (
    "Let me look at|I'll start by reading|The tests pass now|I can see that|It looks like|"
    "Let me check the|We need to|This means that|The root cause is|As a result,|For example,|"
    "I'll update the|Next, I'll run|in the same way|on the other hand|in order to|"
    "the following files|a number of|does not exist|is already there|Let me verify|"
    "Now let me|Here is what I found:|Both of these|which is why|at the end of|as well as|"
    "should be able to|instead of the|because of the|the rest of the|makes sure that|"
    "in this case|all of the tests|one of the|there is no|and then the|so that we can"
).split("|")
UNICODE_BITS = [
    "naïve",
    "café",
    "Übergröße",
    "日本語のテスト",
    "数据库",
    "Привет",
    "🚀",
    "✅",
    "→",
    "“quoted”",
    "…",
    "🧪 passed",
    "é́",
    "العربية",
    "👩‍💻",
]
SHORT_PROMPTS = [
    "yes",
    "continue",
    "ok",
    "go ahead",
    "yes please",
    "looks good",
    "commit this",
    "run the tests",
    "try again",
    "thanks",
]
MODELS = [
    ("claude-sonnet-4-20250514", 3.0, 15.0),
    ("claude-opus-4-20250514", 15.0, 75.0),
    ("claude-3-5-haiku-20241022", 0.8, 4.0),
    ("claude-3-7-sonnet-20250219", 3.0, 15.0),
]
MODEL_CUM = [0.55, 0.8, 0.9, 1.0]
VERSIONS = ["1.0.35", "1.0.51", "1.0.72", "1.0.98", "1.0.119", "2.0.14"]
BRANCHES = [
    "main",
    "develop",
    "feature/import-export",
    "fix/dedup-hash",
    "feature/search",
    "chore/deps",
    "release/2.4",
    "fix/flaky-tests",
]
PROJECTS = [
    "claudelens",
    "billing-api",
    "webshop",
    "infra",
    "docs-site",
    "ml-pipeline",
    "mobile-app",
    "data-lake",
    "auth-service",
    "cli-tools",
    "game-engine",
    "crm",
]
DIRS = [
    "src",
    "app",
    "tests",
    "lib",
    "backend/app/services",
    "backend/app/models",
    "frontend/src/components",
    "scripts",
    "docs",
    "core/utils",
]
EXTS = [".py", ".py", ".py", ".ts", ".tsx", ".md", ".json", ".yml"]

CODE_LINES = [
    "def {f}(self, {a}: {t}, {b}: {t} | None = None) -> {t}:",
    "    if {a} is None:",
    "        return {b}",
    "    for {a} in self.{f}({b}):",
    "        {b}.append({a})",
    "    {a} = {c}({b}={n})",
    "    return {a}",
    "class {c}({c2}):",
    "import {a}",
    "from {a}.{b} import {c}, {c2}",
    "    try:",
    "    except {c}Error as exc:",
    '        logger.warning("{w} {w2} failed: %s", exc)',
    "        raise {c}Error({n}) from exc",
    "    assert {f}({a}) == {n}",
    "    # {w} {w2} {w3}",
    "",
    "",
    '    """{W} the {w2} {w3}."""',
    "const {a} = await {f}({b}, {{ {a}: {n} }});",
    "  export function {f}({a}: {c}): {c2} {{",
    "  }}",
    "    self.{a} = {a}",
    "    self._{b}: dict[str, {t}] = {{}}",
    "    @property",
    '        "{a}": {{"$gte": {b}, "$lt": {f}({n})}},',
    '    with {f}({a}, "{w}") as {b}:',
    "  const [{a}, set{c}] = useState<{c2}>({n});",
    '    {a} = {b}.get("{w}", {n})',
]
TYPES = ["str", "int", "float", "bool", "dict", "list[str]", "datetime", "Decimal", "bytes"]


def _build_vocab():
    r = random.Random("vocab")
    made = set()
    while len(made) < 6000:
        made.add("".join(r.choice(SYLL) for _ in range(r.randint(2, 5))))
    words = list(dict.fromkeys(COMMON + RARE)) + sorted(made)
    words = words[:120] + list(PHRASES) + words[120:]
    return words, list(accumulate(1.0 / (k + 4) ** 1.05 for k in range(len(words))))


VOCAB, VOCAB_CUM = _build_vocab()
IDENT_PARTS = RARE + [w for w in COMMON if len(w) > 3]


def prose(r, n):
    """About n characters of English-like text."""
    words = r.choices(VOCAB, cum_weights=VOCAB_CUM, k=max(3, n // 6))
    for at in range(0, len(words), 14):
        words[at] = words[at][:1].upper() + words[at][1:]
        if at:
            words[at - 1] += ".\n\n" if r.random() < 0.15 else "."
    if r.random() < 0.05:
        words.insert(r.randrange(len(words)), r.choice(UNICODE_BITS))
    return " ".join(words)[:n]


TEXT_ENDINGS = (".py", ".ts", ".tsx", ".js", ".md", ".rst", ".txt", ".json", ".yml", ".go")


class RealText:
    """Optional source of real text: files below a directory, in sorted order."""

    def __init__(self, root):
        self.files = []
        for base, dirs, names in os.walk(root):
            dirs[:] = sorted(d for d in dirs if not d.startswith("."))
            for name in sorted(names):
                if name.endswith(TEXT_ENDINGS):
                    self._add(Path(base, name), root)
        if not self.files:
            sys.exit(f"--text-from {root}: no usable text files")

    def _add(self, path, root):
        try:
            with path.open(encoding="utf-8") as file:
                text = file.read(400_000)
        except (OSError, UnicodeDecodeError):
            return
        if len(text) > 400:
            self.files.append((os.path.relpath(path, root), text))

    def cut(self, r, n):
        name, text = r.choice(self.files)
        if len(text) <= n:
            return name, text
        at = r.randrange(len(text) - n)
        return name, text[at : at + n]
