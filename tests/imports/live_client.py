"""A script that uses the API of a running site, with nothing but the standard library."""

import base64
import http.client
import json
import socket
from contextlib import closing

from tests.imports.tus_client import PART, V, metadata
from tests.live import PASSWORD, USER


class Script:
    """Signs in once by a token, then speaks HTTP on connections of its own."""

    def __init__(self, site) -> None:
        self.address = ("127.0.0.1", site.port)
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        made = self.call("POST", "/api/v1/tokens/", {"Authorization": f"Basic {basic}"})
        assert made.status == 201, made.body
        self.token = {"Authorization": f"Token {made.json()['token']}"}

    def call(self, method, path, headers=None, body=b"") -> "Answer":
        with closing(http.client.HTTPConnection(*self.address, timeout=60)) as connection:
            sent = {"Host": "127.0.0.1"} | getattr(self, "token", {}) | (headers or {})
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def get(self, path) -> dict:
        answer = self.call("GET", path)
        assert answer.status == 200, answer.body
        return answer.json()

    def begin(self, size, name="a.jsonl") -> str:
        headers = V | {"Upload-Length": str(size), "Upload-Metadata": metadata(filename=name)}
        answer = self.call("POST", "/api/v1/uploads/", headers)
        assert answer.status == 201, answer.body
        return answer.headers["Location"]

    def offset(self, url) -> int:
        return int(self.call("HEAD", url, V).headers["Upload-Offset"])

    def patch(self, url, offset, body) -> "Answer":
        return self.call("PATCH", url, _part_headers(offset), body)

    def cut_patch(self, url, offset, body, sent: int) -> None:
        """Send a part's first ``sent`` bytes, then pull the plug without waiting for an answer."""
        headers = {"Host": "127.0.0.1", "Content-Length": len(body)} | self.token | _part_headers(offset)
        lines = [f"PATCH {url} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with socket.create_connection(self.address) as plug:
            plug.sendall("\r\n".join(lines).encode() + body[:sent])

    def upload(self, body, name="a.jsonl", part=4 * 1024**2) -> str:
        """Send a file whole; its id."""
        url = self.begin(len(body), name)
        for offset in range(0, len(body), part):
            assert self.patch(url, offset, body[offset : offset + part]).status == 204
        return url.rstrip("/").rsplit("/", 1)[-1]

    def start_import(self, *uploads) -> str:
        body = json.dumps({"uploads": uploads}).encode()
        answer = self.call("POST", "/api/v1/imports/", {"Content-Type": "application/json"}, body)
        assert answer.status == 202, answer.body
        return answer.headers["Location"]


class Answer:
    def __init__(self, status, headers, body) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def _part_headers(offset):
    return V | {"Content-Type": PART, "Upload-Offset": str(offset)}
