"""The web server: daphne, with memory that does not grow with what is sent or received.

``python -m claudelens_site.server --port 8000`` serves the site. Stock daphne writes as fast as
the application yields, whatever the client takes; and its HTTP library parses multipart bodies
into memory before Django has seen who is asking. Both end here. And an answer whose making fails in the
middle would look like a whole one, or hang: here its connection is cut.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any

from daphne import http_protocol
from daphne.server import Server as DaphneServer  # installs the asyncio reactor: import it first
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

STALLED_SECONDS = 300
DEFAULT_BODY_BYTES = 17 * 1024**2
REFUSAL = (
    b'{"type": "about:blank", "title": "Too large", "status": 413, "code": "too_large", '
    b'"detail": "The body is larger than this server takes in one request.", '
    b'"hint": "Send the file in parts: see uploads in /api/docs/."}'
)


@implementer(IPushProducer)
class Gate:
    """Open while the client takes what it is sent, closed while our send buffer is full."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    async def wait(self) -> None:
        """Wait until it is open. Raises TimeoutError when the client takes nothing for minutes."""
        if not self._open.is_set():
            await asyncio.wait_for(self._open.wait(), STALLED_SECONDS)

    def pauseProducing(self) -> None:  # noqa: N802  (Twisted's interface)
        """The send buffer is full."""
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """The client has caught up."""
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone: let whoever waits find that out."""
        self._open.set()


class BoundedRequest(http_protocol.WebRequest):  # type: ignore[misc]
    """A request with a gate on its answer and a limit on its body."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.gate = Gate()
        self.is_refused = False
        super().__init__(*args, **kwargs)
        # Twisted would parse forms into memory, many times over, before Django sees the request.
        self._parsePOSTFormSubmission = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Refuse a body by its announced length, before a byte of it is kept."""
        super().gotLength(length)
        if length is not None and length > self.server.max_body_bytes:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Refuse a body of unannounced length once it is too long."""
        if not self.is_refused and self.content.tell() + len(data) > self.server.max_body_bytes:
            self._refuse()
        if not self.is_refused:
            super().handleContentChunk(data)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Write a part of the answer, with the gate registered from its first byte on."""
        if message["type"] == "http.response.start" and self.channel and not self.finished:
            self.registerProducer(self.gate, True)
        super().handle_reply(message)

    def finish(self) -> None:
        """The answer is complete."""
        self._let_go()
        super().finish()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """The client is gone."""
        self._let_go()
        super().connectionLost(reason)

    def handle_exception(self, exception: BaseException) -> None:
        """The application failed. An answer that has begun is cut, never ended as if it were whole."""
        if self._response_started:
            self._cut()
        else:
            super().handle_exception(exception)

    def _cut(self) -> None:
        self._let_go()
        if self.channel is None:
            return
        if self.chunked:
            # The client gets what was written, misses the last chunk, and knows by that. One that takes
            # nothing is cut off by force a little later.
            self.channel.timeoutConnection()
        else:
            self.channel.transport.abortConnection()

    def _let_go(self) -> None:
        self.gate.stopProducing()
        if self.producer is not None and self.channel is not None:
            self.unregisterProducer()

    def _refuse(self) -> None:
        self.is_refused = True
        self.channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/problem+json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(REFUSAL), REFUSAL)
        )
        self.channel.loseConnection()


class BoundedFactory(http_protocol.HTTPFactory):  # type: ignore[misc]
    """Makes connections whose requests are bounded."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        """A connection that makes our requests."""
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol


class Server(DaphneServer):  # type: ignore[misc]
    """daphne with back-pressure: an application's ``send`` waits until the client keeps up."""

    def __init__(self, *args: Any, max_body_bytes: int = DEFAULT_BODY_BYTES, **kwargs: Any) -> None:
        self.max_body_bytes = max_body_bytes
        self.connections: dict[Any, dict[str, Any]] = {}
        super().__init__(*args, **kwargs)

    @property
    def http_factory(self) -> BoundedFactory:
        """What makes the connections."""
        return self._bounded_factory

    @http_factory.setter
    def http_factory(self, stock: http_protocol.HTTPFactory) -> None:
        # daphne's run() names its factory class itself: this is where ours can take its place.
        self._bounded_factory = BoundedFactory(self)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Hand over a part of the answer, then wait until the client has taken enough of it."""
        await super().handle_reply(protocol, message)
        gate = getattr(protocol, "gate", None)
        if gate is None or not message.get("more_body"):
            return
        try:
            await gate.wait()
        except TimeoutError:
            protocol.transport.abortConnection()

    def kill_all_applications(self) -> Any:
        """Cancel what still runs at shutdown."""
        # The stock version trips over connections whose application has ended already.
        self.connections = {
            protocol: details
            for protocol, details in self.connections.items()
            if "application_instance" in details
        }
        return super().kill_all_applications()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve the site until a signal ends it."""
    options = _parser().parse_args(argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "claudelens_site.settings")
    from claudelens_site.asgi import application

    _refuse_bad_settings()
    forwarded = "X-Forwarded-For" if options.behind_proxy else None
    Server(
        application=application,
        endpoints=[f"tcp:port={options.port}:interface={options.host}"],
        max_body_bytes=largest_body_bytes(),
        proxy_forwarded_address_header=forwarded,
        proxy_forwarded_proto_header="X-Forwarded-Proto" if options.behind_proxy else None,
        server_name="ClaudeLens",
    ).run()


def _refuse_bad_settings() -> None:
    from django.core.management import call_command
    from django.core.management.base import SystemCheckError

    try:
        call_command("check", verbosity=0)
    except SystemCheckError as error:
        sys.exit(str(error))


def largest_body_bytes() -> int:
    """The largest request body that any address of the site takes, with room for multipart marks."""
    from django.conf import settings

    largest: int = max(settings.CLAUDELENS_UPLOAD_PART_BYTES, settings.CLAUDELENS_MULTIPART_MAX_BYTES)
    return largest + 1024**2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Serve ClaudeLens over HTTP and WebSocket.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")
    parser.add_argument("--behind-proxy", action="store_true", help="believe X-Forwarded-For and -Proto")
    return parser


if __name__ == "__main__":
    main()
