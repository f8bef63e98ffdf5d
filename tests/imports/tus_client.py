"""A tus client of the tests' own, over Django's test client."""

import base64

PART = "application/offset+octet-stream"
V = {"Tus-Resumable": "1.0.0"}


def metadata(**values: str) -> str:
    return ",".join(f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in values.items())


class Tus:
    """Speaks tus to /api/v1/uploads/ for one user."""

    def __init__(self, client) -> None:
        self.client = client

    def create(self, size, name="a.jsonl", **headers):
        sent = V | {"Upload-Length": str(size), "Upload-Metadata": metadata(filename=name)}
        return self.client.generic("POST", "/api/v1/uploads/", headers=_merged(sent, headers))

    def begin(self, size, name="a.jsonl") -> str:
        answer = self.create(size, name)
        assert answer.status_code == 201, answer.content
        return answer["Location"]

    def head(self, url, **headers):
        return self.client.head(url, headers=_merged(V, headers))

    def patch(self, url, offset, body, content_type=PART, **headers):
        sent = _merged(V | {"Upload-Offset": str(offset)}, headers)
        # The test client names the type of a body only where there is one.
        typed = {"CONTENT_TYPE": content_type}
        return self.client.generic("PATCH", url, body, content_type=content_type, headers=sent, **typed)

    def delete(self, url):
        return self.client.delete(url, headers=V)

    def send(self, body: bytes, name="a.jsonl") -> str:
        """Upload it whole; its id."""
        url = self.begin(len(body), name)
        assert self.patch(url, 0, body).status_code == 204
        return url.rstrip("/").rsplit("/", 1)[-1]


def _merged(headers, others):
    named = {name.replace("_", "-"): value for name, value in others.items()}
    return {name: value for name, value in (headers | named).items() if value is not None}
