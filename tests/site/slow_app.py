"""A small ASGI application behind the product's web server: 300 MB to give, and a quick answer."""

import sys

from claudelens_site.server import Server

CHUNK = b"x" * 65536
BYTES = 300 * 1024**2


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/big":
        for _ in range(BYTES // len(CHUNK)):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    if scope["path"] == "/broken":
        await send({"type": "http.response.body", "body": b"half of it", "more_body": True})
        raise RuntimeError("in the middle")
    if scope["path"] == "/echo":
        size = 0
        while True:
            event = await receive()
            size += len(event.get("body", b""))
            if not event.get("more_body"):
                break
        await send({"type": "http.response.body", "body": str(size).encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


if __name__ == "__main__":
    Server(application=application, endpoints=[f"tcp:port={sys.argv[1]}:interface=127.0.0.1"]).run()
