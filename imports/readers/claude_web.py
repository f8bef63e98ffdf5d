"""Conversations of claude.ai/code: one document whose ``loglines`` are Claude Code's lines. Pure."""

from imports.messages import Context
from imports.normalise import message_of, start_context
from imports.readers import claude_code
from imports.readers.base import Format, Match, Sample, first_of
from imports.readers.document import read_document

NAME = "claude-code-web"
SHAPE = {"record": ["loglines", "*"]}


def detect(sample: Sample) -> Match | None:
    line = first_of(sample.root, "loglines", "*")
    if not isinstance(line, dict) or not claude_code.is_own(line):
        return None
    session, cwd = (line.get(key) if isinstance(line.get(key), str) else "" for key in ("sessionId", "cwd"))
    facts = {"shape": SHAPE, "sessionId": session, "cwd": cwd}
    return Match("Claude Code web session: its loglines are Claude Code's lines", facts)


def start(sample: Sample, match: Match) -> Context:
    name = sample.inside.rsplit("/", 1)[-1]
    return start_context(name, match.facts["sessionId"], match.facts["cwd"])


FORMAT = Format(
    name=NAME,
    label="Claude Code web session",
    description='One conversation of claude.ai/code: {"loglines": [...]}.',
    source=claude_code.NAME,
    detect=detect,
    records=read_document,
    message=message_of,
    start=start,
    layout="spans",
)
