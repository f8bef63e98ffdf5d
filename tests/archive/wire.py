"""A stand-in for a mongos at the level of the wire: it answers OP_MSG over a socket, and records what it was told."""

import socketserver
import struct
import threading
from contextlib import contextmanager

import bson

OP_MSG = 2013
OP_QUERY = 2004
OP_REPLY = 1
HEADER = struct.Struct("<iiii")
HELLO = {
    "ok": 1, "msg": "isdbgrid", "isWritablePrimary": True, "ismaster": True, "minWireVersion": 0, "maxWireVersion": 17,
    "maxBsonObjectSize": 16 * 1024**2, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "logicalSessionTimeoutMinutes": 30,
}  # fmt: skip


class Mongos:
    """``commands`` are what it was told, in order: (database, document). ``refuse`` is an answer for one command's name."""

    def __init__(self):
        self.commands = []
        self.refuse = {}
        self.url = ""

    def answer(self, document):
        name = next(iter(document))
        if name.lower() in ("hello", "ismaster"):
            return HELLO
        if name != "endSessions":
            told = {key: value for key, value in document.items() if not key.startswith("$") and key not in ("lsid", "txnNumber", "writeConcern")}
            self.commands.append((document["$db"], told))
        return self.refuse.get(name, {"ok": 1})


@contextmanager
def mongos():
    """A running stand-in on a port of its own."""
    fake = Mongos()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            while head := self.take(HEADER.size):
                length, request, _, code = HEADER.unpack(head)
                body = self.take(length - HEADER.size)
                if code == OP_QUERY:
                    start = body.index(b"\0", 4) + 9
                    reply = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(fake.answer(bson.decode(body[start:])))
                    self.give(request, OP_REPLY, reply)
                else:
                    assert code == OP_MSG and body[4] == 0, "only the one section that commands without documents have"
                    self.give(request, OP_MSG, struct.pack("<iB", 0, 0) + bson.encode(fake.answer(bson.decode(body[5:]))))

        def take(self, size):
            got = b""
            while len(got) < size:
                part = self.request.recv(size - len(got))
                if not part:
                    return b""
                got += part
            return got

        def give(self, request, code, body):
            self.request.sendall(HEADER.pack(HEADER.size + len(body), 0, request, code) + body)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        fake.url = f"mongodb://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield fake
        server.shutdown()
        thread.join(5)
