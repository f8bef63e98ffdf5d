"""How private text looks: the known forms of secrets, addresses and homes, and what only looks so. Pure.

Expressions are RE2's. Each has one group, the part that is masked, or none, and all of it is; what stands
before the group gives it away. Sources: what the issuers publish of the shape of their keys, and the rules of
gitleaks and of GitHub's secret scanning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# A word begins here, also behind an escape of a JSON text within a text, a percent escape or a colour.
START = r"(?:\b|\\[abfnrtv]|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|%[0-9A-Fa-f]{2}|\[[0-9;]*m)"
# What a secret is called, in whatever spelling, and what stands between the name and its value.
NAME = (
    r"(?i:passw(?:or)?d|passphrase|(?:db|user|admin|root|mysql)_?pwd|secret|credentials?|token"
    r"|(?:api|access|auth|private|secret|account|encryption|signing)[_-]?key)"
)
GIVES = r"[\"'\\\]]*\s*(?::=|=>|:|=)\s*"
OPENS, CLOSES = r"(?:[\"'`]{1,3}|\\+[\"'])", r"(?:[\"'`\\\x00]|$)"
SCHEME = r"\b[a-zA-Z][a-zA-Z0-9+.-]*://"
DATABASE = (
    r"(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|oracle|clickhouse)(?:\+[a-z0-9]+)?://"
)
HEADER = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
AT = r"(?:@|%40|\\u0040)"
SLASH = r"(?:[/\\]+|%2[Ff]|%5[Cc])"
BEFORE_SLUG = r"(?:^|[/\\\s\"'`=:,(\x00]|\\[nrt]|\b[A-Za-z]-)"
ABOVE_HOMES = r"(?:(?:var|mnt|export|data)-(?:[A-Za-z0-9]+-)?)?"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One form of private text. ``name`` stands in its mark and in the counts; what ``stays`` says yes to is
    no private text after all."""

    name: str
    expression: str
    stays: Callable[[str], bool] | None = None


# ------------------------------------------------------------------ what only looks private

PLACEHOLDER = re.compile(
    r"\$\{?\w+\}?|\$\(.*|\{.*\}|<.*>|%\(?\w*\)?[sd]|[*x.•_-]+|\[.*|"
    r"(?:your|my|the|some|an?)[-_ ].*|.*\.\.\.|…|"
    r"(?:process\.env|os\.environ|env|config|settings|self|this|args|request|import\.meta)\b.*",
    re.IGNORECASE,
)
NO_SECRETS = frozenset((
    "string", "str", "text", "number", "integer", "boolean", "bool", "object", "none", "null",
    "undefined", "true", "false", "required", "optional", "password", "passwd", "secret", "token",
    "credentials", "example", "changeme", "placeholder", "redacted", "hidden", "missing", "invalid",
    "bearer", "basic", "digest", "input", "output", "unknown", "disabled", "enabled", "default", "empty",
    "wrong",
))  # fmt: skip
IDENTIFIER = re.compile(
    r"[A-Za-z_]\w{0,23}(?:\.[A-Za-z_]\w{0,23})+|[A-Za-z]+(?:_[A-Za-z]+)+_?\d{0,2}|[A-Za-z]+_\d{1,2}"
)
SHORTEST_KEY = 40


def is_placeholder(value: str) -> bool:
    """Whether it stands for a secret and is none.

    >>> [is_placeholder(text) for text in ("${TOKEN}", "<password>", "required", "hunter2")]
    [True, True, True, False]
    """
    return value.lower() in NO_SECRETS or PLACEHOLDER.fullmatch(value) is not None


def is_code(value: str) -> bool:
    """Whether what follows ``password =`` without quotes is a name, a word or a call rather than a secret.

    >>> [is_code(text) for text in ("settings.key_2", "new_token_1", "correcthorse", "hunter2", "Tr0ub4dor")]
    [True, True, True, False, False]
    """
    mixed = any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
    return not mixed or is_placeholder(value) or IDENTIFIER.fullmatch(value) is not None


def is_word(value: str) -> bool:
    """Whether it has no digit: keys and tokens have some."""
    return not any(char.isdigit() for char in value)


def is_filled_in_later(value: str) -> bool:
    """Whether what stands before the @ of a URL has no password, or one that is put there by a program."""
    return is_placeholder(value.partition(":")[2] or value)


def is_mere_header(value: str) -> bool:
    """Whether the words that begin a key stand there, and no key behind them."""
    body = re.sub(r"-----(?:BEGIN|END) [^-]*-----|\W|\\[nrt]", "", value)
    return len(body) < SHORTEST_KEY


def is_no_address(value: str) -> bool:
    """Whether it is the user of a repository's address, or a picture for fine screens.

    >>> [is_no_address(text) for text in ("git@github.com", "icon@2x.png", "ana@example.org")]
    [True, True, False]
    """
    return value.lower().startswith("git@") or re.search(r"@[1-4]x\.", value) is not None


def is_shared(value: str) -> bool:
    """Whether every machine has such a folder beside the homes."""
    return value in ("Shared", "Public", "Default", "linuxbrew")


# ------------------------------------------------------------------ the forms

SECRETS = (
    Pattern(
        "private-key",
        HEADER + r"(?:[A-Za-z0-9+/=\s:,.→>#|]|\\+[nrt]|\\+/|-{1,2}[A-Za-z0-9+/=])*"
        r"(?:-?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
        is_mere_header,
    ),
    Pattern("anthropic-key", r"sk-ant-[A-Za-z0-9_-]{16,}"),
    Pattern(
        "openai-key",
        START + r"(sk-(?:(?:proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{20,}))",
    ),
    Pattern("aws-key-id", START + r"((?:AKIA|ASIA)[A-Z0-9]{16})\b"),
    Pattern(
        "aws-secret-key",
        r"(?i)secret[_ -]?access[_ -]?key[\"'\\]*\s*(?:=>|[:=,])?\s*[\"'\\]*([A-Za-z0-9/+]{40})",
    ),
    Pattern("github-token", r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"),
    Pattern("gitlab-token", r"gl(?:pat|ptt|dt|rt|ft|soat|cbt|agent|imt|oas)-[A-Za-z0-9_.-]{16,}"),
    Pattern("slack-token", r"xox[abceoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"),
    Pattern("slack-webhook", r"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9_/-]{20,})"),
    Pattern(
        "google-key",
        START + r"(AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})",
    ),
    Pattern("stripe-key", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}"),
    Pattern("npm-token", r"npm_[A-Za-z0-9]{30,}"),
    Pattern("pypi-token", r"pypi-[A-Za-z0-9_-]{40,}", is_word),
    Pattern("huggingface-token", r"hf_[A-Za-z0-9]{20,}"),
    Pattern("jwt", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    Pattern(
        "other-token",
        r"(?:dop_v1_|dckr_pat_|shp(?:at|ca|pa|ss)_|lin_api_|gsk_|SG\.|hvs\.|glsa_|AGE-SECRET-KEY-1)"
        r"[A-Za-z0-9_.-]{24,}",
        is_word,
    ),
    Pattern("url-credentials", SCHEME + r"([^\s/?#:@\"'<>`\\]*:[^\s/?#\"'<>`\\]+)@", is_filled_in_later),
    Pattern("url-credentials", SCHEME + r"([A-Za-z0-9_-]{20,})@", is_word),
    # Addresses of databases are typed by hand: a password in them holds what it likes.
    Pattern("url-credentials", DATABASE + r"([^\s:@/\"'<>`\\]*:[^\s\"'<>`\\]+)@", is_filled_in_later),
    Pattern("url-credentials", r"\bcurl\s[^\n]*?(?:-u|--user)\s+[\"'\\]*([^\s:\"'\\]+:[^\s\"'\\]+)"),
    Pattern(
        "authorization",
        r"(?i)authorization" + GIVES + r"[\"'\\]*(?:bearer|basic|token|digest)\s+([A-Za-z0-9._~+/=:-]{8,})",
        is_placeholder,
    ),
    Pattern("authorization", r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{16,})", is_word),
    Pattern("assigned-secret", NAME + GIVES + OPENS + r"([^\s\"'`\\]{4,})" + CLOSES, is_placeholder),
    Pattern(
        "assigned-secret",
        NAME + GIVES + r"([^\s\"'`,;(){}\[\]<>&|\\]{6,})(?:[\s\"'`,;&|}\])\\\x00]|$)",
        is_code,
    ),
    Pattern("assigned-secret", r"\s--?" + NAME + r"\s+[\"'\\]*([^\s\"'`,;(){}\[\]<>&|\\]{6,})", is_code),
)
EMAILS = (
    Pattern(
        "email",
        r"(?:\\[nrt])?([\p{L}\p{N}_+][\p{L}\p{N}._%+-]*"
        + AT
        + r"[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,})",
        is_no_address,
    ),
)
PATHS = (
    # A name may hold spaces where a backslash ends it.
    Pattern("home", r"\b[A-Za-z]:[/\\]+(?i:users)\\+([^\\/:*?\"<>|\r\n\x00]{1,64})\\", is_shared),
    Pattern("home", r"\b[A-Za-z]:[/\\]+(?i:users)[/\\]+([^\s/\\%\"'`<>{}$|:;,?*()\[\]\x00]+)", is_shared),
    Pattern("home", SLASH + r"(?:home|Users)" + SLASH + r"([^\s/\\%\"'`<>{}$|:;,?*()\[\]\x00]+)", is_shared),
    Pattern("home-slug", BEFORE_SLUG + "-" + ABOVE_HOMES + r"(?:home|Users)-([A-Za-z0-9]+)", is_shared),
    # Conversations that are called by their folder: prompt histories, and files of a whole project.
    Pattern("home-slug", r"\b(?:history|files)-(?:home|Users)-([A-Za-z0-9]+)", is_shared),
)
KINDS = {"secrets": SECRETS, "emails": EMAILS, "paths": PATHS}
"""What can be asked for (``choices.SECRETS``) -> its forms."""

MARKS = {"home-slug": "-redacted-home-"}
"""Marks that are not ``[redacted:<name>]``: of a slug it is what Claude Code makes of the masked path."""
