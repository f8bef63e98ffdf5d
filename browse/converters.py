"""Address parts that Django's own converters do not take."""


class SessionIdConverter:
    """Any session id: transcripts may hold every character in it, a slash or a line break too."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class MessageIdConverter:
    """32 bytes in hexadecimal."""

    regex = "[0-9a-f]{64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
