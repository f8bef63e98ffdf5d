"""A mail server that keeps what it is sent: SMTP over a real socket, as little of it as a client needs."""

import email
import email.policy
import socketserver
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage

GREETING = b"220 tests ESMTP\r\n"
READY, GO_ON, REFUSED = b"250 ok\r\n", b"354 go on\r\n", b"451 not now\r\n"


@dataclass
class Mail:
    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def body(self) -> str:
        return self.message.get_content()


@dataclass
class MailServer:
    """Listens on ``port``; refuses every mail while ``is_ill``."""

    mails: list[Mail] = field(default_factory=list)
    is_ill: bool = False
    tried: int = 0

    def __post_init__(self) -> None:
        box = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                box.talk(self.rfile, self.wfile)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def talk(self, lines, out) -> None:
        sender, recipients = "", []
        out.write(GREETING)
        for line in lines:
            match line.split(b":")[0].split()[0].upper():
                case b"MAIL":
                    self.tried += 1
                    sender, recipients = _address(line), []
                    out.write(REFUSED if self.is_ill else READY)
                case b"RCPT":
                    recipients.append(_address(line))
                    out.write(READY)
                case b"DATA":
                    out.write(GO_ON)
                    self.mails.append(Mail(sender, recipients, _read_data(lines)))
                    out.write(READY)
                case b"QUIT":
                    out.write(b"221 bye\r\n")
                    return
                case _:
                    out.write(READY)


def _address(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode()


def _read_data(lines) -> bytes:
    told = []
    for line in lines:
        if line == b".\r\n":
            break
        told.append(line.removeprefix(b".") if line.startswith(b"..") else line)
    return b"".join(told)
