"""Bodies of requests to the API, as values."""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

MAX_DEPTH = 100
TOO_DEEP = f"The body is nested more than {MAX_DEPTH} deep."


class ShallowJSONParser(JSONParser):
    """JSON that is nested at most a hundred deep: nothing that walks through it runs out of stack."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Raises ParseError, which is told with 400."""
        try:
            value = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError(TOO_DEEP) from error
        if _is_too_deep(value):
            raise ParseError(TOO_DEEP)
        return value


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [each for each in level if isinstance(each, (dict, list))]
        level = [inner for each in nested for inner in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return False
    return True
