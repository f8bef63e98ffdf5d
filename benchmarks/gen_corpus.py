"""Deterministic generator of Claude-Code-like conversation corpora (stdlib only).

Every session is produced from its own RNG, seeded by (seed, session index), so session
number i is byte-identical whatever the total size, and two files overlap by an exact,
chosen amount (``--first-session``).  The clock is fixed (``--anchor``): the same arguments
give the same bytes on every run and every CPython >= 3.11.

Formats
  jsonl          one message per line, the way Claude Code writes its transcripts
  conversations  {"conversations":[{session fields..., "messages":[...]}, ...]}
  sessions       one session header (no messages) per line

Examples (python -m benchmarks.gen_corpus ...)
  --size 50MB --out c50                     -> c50.jsonl + c50.conversations.json
  --sessions 500 --format jsonl --out a     -> a.jsonl
  --sessions 500 --first-session 250 --out b   (half of b's sessions are in a)
  --size 50MB --repeat 0.3 --out dup        (30 % of messages appear twice)
  --size 50MB --text-from ./src --out real  (tool results cut from real files)

Sizes: a message is 0.5-20 KB, mean about 2.5 KB; about 40 messages a session.
"""

import argparse
import base64
import datetime as dt
import hashlib
import json
import random
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from benchmarks.corpus_words import (
    BRANCHES,
    CODE_LINES,
    DIRS,
    EXTS,
    IDENT_PARTS,
    MODEL_CUM,
    MODELS,
    PROJECTS,
    SHORT_PROMPTS,
    TYPES,
    VERSIONS,
    VOCAB,
    VOCAB_CUM,
    RealText,
    prose,
)


class Session:
    """All the state one conversation needs; deterministic in (seed, index)."""

    def __init__(self, opts, index, real):
        self.o, self.index, self.real = opts, index, real
        self.r = r = random.Random(f"{opts.seed}:{index}")
        self.id = self.uuid()
        self.project = r.choice(PROJECTS)
        self.cwd = f"/home/dev/projects/{self.project}"
        self.branch = r.choice(BRANCHES)
        self.version = r.choice(VERSIONS)
        self.model = r.choices(MODELS, cum_weights=MODEL_CUM)[0]
        pool = r.sample(IDENT_PARTS, 30)
        self.idents = [a + "_" + b for a, b in pairwise(pool)] + pool
        self.classes = [w.title().replace("_", "") for w in self.idents[:25]]
        self.paths = [
            f"{self.cwd}/{r.choice(DIRS)}/{r.choice(self.idents)}{r.choice(EXTS)}" for _ in range(8)
        ]
        start = opts.anchor - dt.timedelta(seconds=r.random() * opts.days * 86400)
        self.start = self.clock = start
        self.parent = None
        self.cost = 0.0
        self.n_tok = 0
        self.end = start

    def uuid(self):
        h = f"{self.r.getrandbits(128):032x}"
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"

    def tag(self, prefix, n=22):
        return prefix + base64.b32encode(self.r.randbytes(n)).decode().rstrip("=")[:n]

    def tick(self):
        self.clock = self.clock + dt.timedelta(milliseconds=int(self.r.lognormvariate(9.0, 1.2)) + 1)
        self.end = self.clock
        return iso_time(self.clock)

    def size(self, median, sigma=0.9, low=120, high=9000):
        return int(min(high, max(low, median * self.r.lognormvariate(0.0, sigma))))

    def code(self, n, numbered):
        if self.real:
            _, text = self.real.cut(self.r, n)
            lines = text.split("\n")
        else:
            r, out, size = self.r, [], 0
            ids, classes = self.idents, self.classes
            while size < n:
                a, b, f, w = r.choices(ids, k=4)
                line = r.choice(CODE_LINES).format(
                    a=a,
                    b=b,
                    f=f,
                    w=w,
                    w2=r.choices(VOCAB, cum_weights=VOCAB_CUM)[0],
                    w3=r.choices(VOCAB, cum_weights=VOCAB_CUM)[0],
                    W=w.title(),
                    c=r.choice(classes),
                    c2=r.choice(classes),
                    t=r.choice(TYPES),
                    n=r.randrange(1000),
                )
                out.append(line)
                size += len(line) + 8
            lines = out
        if numbered:
            first = self.r.randrange(1, 400)
            lines = [f"{k:6d}\u2192{line}" for k, line in enumerate(lines, first)]
        return "\n".join(lines)

    def shell(self, n):
        r, out, size = self.r, [], 0
        while size < n:
            p = r.choice(self.paths)
            line = (
                f"{p}:{r.randrange(900)}: {r.choice(self.idents)} PASSED [{r.randrange(100):3d}%]"
                if r.random() < 0.6
                else f"{r.randbytes(4).hex()} {r.choice(self.idents)} {prose(r, 50)}".replace("\n", " ")
            )
            out.append(line)
            size += len(line) + 1
        return "\n".join(out)[: n + 80]

    def head(self, kind):
        uid = self.uuid()
        doc = {
            "parentUuid": self.parent,
            "isSidechain": self.r.random() < 0.03,
            "userType": "external",
            "cwd": self.cwd,
            "sessionId": self.id,
            "version": self.version,
            "gitBranch": self.branch,
            "type": kind,
            "uuid": uid,
        }
        self.parent = uid
        return doc

    def user_prompt(self):
        doc = self.head("user")
        text = self.r.choice(SHORT_PROMPTS) if self.r.random() < 0.12 else prose(self.r, self.size(260))
        doc["message"] = {"role": "user", "content": text}
        doc["timestamp"] = self.tick()
        return doc

    def assistant(self, block):
        r = self.r
        doc = self.head("assistant")
        name, price_in, price_out = self.model
        out_tok = max(4, len(json.dumps(block)) // 4)
        usage = {
            "input_tokens": r.randrange(3, 60),
            "cache_creation_input_tokens": r.randrange(0, 6000),
            "cache_read_input_tokens": r.randrange(8000, 160000),
            "output_tokens": out_tok,
            "service_tier": "standard",
        }
        cost = (
            usage["input_tokens"] * price_in
            + usage["cache_creation_input_tokens"] * price_in * 1.25
            + usage["cache_read_input_tokens"] * price_in * 0.1
            + out_tok * price_out
        ) / 1e6
        self.cost += cost
        doc["message"] = {
            "id": self.tag("msg_01"),
            "type": "message",
            "role": "assistant",
            "model": name,
            "content": [block],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        doc["requestId"] = self.tag("req_011C")
        doc["model"] = name
        doc["costUsd"] = round(cost, 8)
        doc["durationMs"] = r.randrange(400, 60000)
        doc["timestamp"] = self.tick()
        return doc

    def tool_round(self):
        r = self.r
        tool_id = self.tag("toolu_01")
        path = r.choice(self.paths)
        kind = r.random()
        if kind < 0.40:
            use = {"name": "Read", "input": {"file_path": path}}
            body = self.code(self.size(2300), True)
            extra = {
                "type": "text",
                "file": {
                    "filePath": path,
                    "numLines": body.count("\n") + 1,
                    "startLine": 1,
                    "content": body[:2000],
                },
            }
        elif kind < 0.65:
            old, new = self.code(self.size(300), False), self.code(self.size(420), False)
            use = {"name": "Edit", "input": {"file_path": path, "old_string": old, "new_string": new}}
            body = f"The file {path} has been updated. Here's the result:\n" + self.code(self.size(900), True)
            extra = {"filePath": path, "oldString": old, "newString": new, "userModified": False}
        elif kind < 0.90:
            use = {
                "name": "Bash",
                "input": {"command": f"cd {self.cwd} && pytest -q {path}", "description": prose(r, 60)},
            }
            body = self.shell(self.size(1300))
            extra = {"stdout": body, "stderr": "", "interrupted": False, "isImage": False}
        else:
            use = {"name": "Grep", "input": {"pattern": r.choice(self.idents), "path": self.cwd}}
            body = "\n".join(r.choices(self.paths, k=r.randint(3, 40)))
            extra = {"mode": "files_with_matches", "numFiles": body.count("\n") + 1}
        yield self.assistant({"type": "tool_use", "id": tool_id, **use})
        doc = self.head("user")
        doc["message"] = {
            "role": "user",
            "content": [{"tool_use_id": tool_id, "type": "tool_result", "content": body}],
        }
        doc["toolUseResult"] = extra
        doc["timestamp"] = self.tick()
        yield doc

    def messages(self):
        r = self.r
        want = max(2, int(r.gauss(self.o.messages, self.o.messages / 4)))
        made = 0
        while made < want:
            yield self.user_prompt()
            made += 1
            if r.random() < 0.35:
                yield self.assistant(
                    {
                        "type": "thinking",
                        "thinking": prose(r, self.size(1100)),
                        "signature": base64.b64encode(r.randbytes(self.size(260, 0.4))).decode(),
                    }
                )
                made += 1
            for _ in range(r.randint(1, 6)):
                for doc in self.tool_round():
                    yield doc
                    made += 1
                if made >= want:
                    break
            text = prose(r, self.size(1000))
            if r.random() < 0.3:
                text += "\n\n```python\n" + self.code(self.size(700), False) + "\n```"
            yield self.assistant({"type": "text", "text": text})
            made += 1

    def header(self, count):
        return {
            "sessionId": self.id,
            "projectId": hashlib.md5(self.project.encode()).hexdigest()[:24],
            "projectName": self.project,
            "summary": f"{self.project}: {self.idents[0].replace('_', ' ')}",
            "startedAt": iso_time(self.start),
            "endedAt": iso_time(self.end),
            "messageCount": count,
            "totalCost": round(self.cost, 8),
        }


def iso_time(t):
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t.microsecond // 1000:03d}Z"


def parse_size(text):
    """
    >>> parse_size("50MB"), parse_size("1 GB"), parse_size("700")
    (50000000, 1000000000, 700)
    """
    text = text.strip().upper()
    for unit, mult in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3), ("B", 1)):
        if text.endswith(unit):
            return int(float(text[: -len(unit)]) * mult)
    return int(text)


dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
ENDINGS = {"jsonl": ".jsonl", "conversations": ".conversations.json", "sessions": ".sessions.jsonl"}


class Corpus:
    """Writes sessions to the files of the chosen formats, and counts what it wrote."""

    def __init__(self, prefix, formats, stack):
        self.files = {}
        for name in formats:
            path = Path(prefix + ENDINGS[name])
            file = path.open("w", encoding="utf-8", newline="\n", buffering=1 << 20)
            self.files[name] = stack.enter_context(file)
        self.sessions = self.messages = self.written = self.biggest = 0
        self._write("conversations", '{"conversations":[')

    def _write(self, name, text):
        if name in self.files:
            self.files[name].write(text)

    def add(self, session, lines):
        text = "\n".join(lines) + "\n"
        self.written += len(text.encode())
        self.biggest = max(self.biggest, *map(len, lines))
        self.messages += len(lines)
        self._write("jsonl", text)
        head = dumps(session.header(len(lines)))
        self._write("sessions", head + "\n")
        start = (",\n" if self.sessions else "\n") + head[:-1]
        self._write("conversations", start + ',"messages":[' + ",\n".join(lines) + "]}")
        self.sessions += 1

    def close(self):
        self._write("conversations", "\n]}\n")
        for file in self.files.values():
            file.flush()

    def facts(self):
        return {
            "sessions": self.sessions,
            "messages": self.messages,
            "jsonl_bytes": self.written,
            "mean_message_bytes": round(self.written / max(1, self.messages)),
            "largest_message_chars": self.biggest,
            "files": {name: Path(file.name).stat().st_size for name, file in self.files.items()},
        }


def session_lines(session, repeat):
    """The session's lines; a share of them stands twice."""
    lines = []
    for message in session.messages():
        line = dumps(message)
        lines.append(line)
        if repeat and session.r.random() < repeat:
            lines.append(line)
    return lines


def write_corpus(opts):
    real = RealText(opts.text_from) if opts.text_from else None
    with ExitStack() as stack:
        corpus = Corpus(opts.out, opts.format, stack)
        while corpus.sessions < opts.sessions if opts.sessions is not None else corpus.written < opts.size:
            session = Session(opts, opts.first_session + corpus.sessions, real)
            corpus.add(session, session_lines(session, opts.repeat))
        corpus.close()
        return corpus.facts()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True, help="path prefix of the files to write")
    size = p.add_mutually_exclusive_group(required=True)
    size.add_argument("--sessions", type=int, help="number of sessions")
    size.add_argument(
        "--size", type=parse_size, help="stop after the session that passes this many JSONL bytes"
    )
    p.add_argument(
        "--format", default="jsonl,conversations", help="comma list: jsonl, conversations, sessions"
    )
    p.add_argument("--seed", default="claudelens")
    p.add_argument("--first-session", type=int, default=0, metavar="I", help="index of the first session")
    p.add_argument("--messages", type=float, default=38, help="mean messages a session")
    p.add_argument(
        "--days", type=float, default=400, help="sessions start within this many days before the anchor"
    )
    p.add_argument("--anchor", default="2025-11-01T00:00:00+00:00", help="the fixed 'now'")
    p.add_argument(
        "--repeat", type=float, default=0.0, help="share of messages written a second time, verbatim"
    )
    p.add_argument("--text-from", metavar="DIR", help="cut file contents out of real text files")
    return p


def main(argv=None):
    parser = arguments()
    opts = parser.parse_args(argv)
    opts.anchor = dt.datetime.fromisoformat(opts.anchor).astimezone(dt.UTC)
    opts.format = opts.format.split(",")
    if bad := set(opts.format) - set(ENDINGS):
        parser.error(f"unknown format: {', '.join(sorted(bad))}")
    print(json.dumps(write_corpus(opts)))


if __name__ == "__main__":
    main()
