# mypy: disallow-untyped-decorators=False
"""The read side for scripts: sessions, their messages, projects. Read only, for staff."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from archive import reader, sessions
from archive.errors import BadInput, NotFound
from archive.reader import MessageFilter, Page
from browse.forms import SORTS, SOURCES, SessionFilterForm
from browse.serializers import (
    FullMessageSerializer,
    MessageSerializer,
    ProjectSerializer,
    SessionSerializer,
)

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
NO_LIMIT = f"limit: a whole number from 1 to {MAX_LIMIT} is expected."


def _query(name: str, about: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, more.pop("type", OpenApiTypes.STR), description=about, **more)


PAGING = [
    _query("cursor", "As in the `next` and `previous` links; leave it out for the first page."),
    _query("limit", f"Results per page, at most {MAX_LIMIT}.", type=OpenApiTypes.INT),
]
FILTERS = [
    _query("project", "Id of a project."),
    _query("source", "Where it came from.", enum=[value for value, _ in SOURCES]),
    _query("model", "Name of a model that took part."),
    _query("text", "Text in the title, in any case."),
    _query("since", "Went on at or after this day (UTC) or moment, in ISO 8601."),
    _query("until", "Began before this day (UTC) or moment."),
    _query("sort", "Order; newest first unless told otherwise.", enum=[value for value, _ in SORTS]),
]


def _page_of(name: str, item: type[serializers.Serializer[Any]]) -> Any:
    """The shape of a page, for the API's description."""
    link = serializers.URLField(allow_null=True)
    return inline_serializer(name, {"next": link, "previous": link, "results": item(many=True)})


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= MAX_LIMIT):
        raise BadInput(NO_LIMIT, hint="Leave it out for the default.")
    return int(given)


def _paged(
    request: Request,
    find: Callable[[str | None, int], Page],
    serializer: type[serializers.Serializer[Any]],
) -> Response:
    """One page of what ``find(cursor, limit)`` finds, with links to the pages beside it."""
    found = find(request.query_params.get("cursor") or None, _limit(request))
    address = request.build_absolute_uri()

    def link(cursor: str | None) -> str | None:
        return replace_query_param(address, "cursor", cursor) if cursor else None

    results = serializer(found.items, many=True).data
    return Response({"next": link(found.next), "previous": link(found.previous), "results": results})


class SessionList(APIView):
    """Conversations, by filter and order."""

    @extend_schema(
        operation_id="sessions_list",
        parameters=[*FILTERS, *PAGING],
        responses=_page_of("SessionPage", SessionSerializer),
    )
    def get(self, request: Request) -> Response:
        """Conversations; the filters are those of the page."""
        asked = SessionFilterForm(request.query_params).session_filter()

        def find(cursor: str | None, limit: int) -> Page:
            return sessions.page_sessions(asked, cursor=cursor, limit=limit)

        return _paged(request, find, SessionSerializer)


class SessionDetail(APIView):
    """One conversation."""

    @extend_schema(operation_id="sessions_get", responses=SessionSerializer)
    def get(self, request: Request, session_id: str) -> Response:
        """One conversation with its sums."""
        return Response(SessionSerializer(sessions.get_session(session_id)).data)


class SessionMessages(APIView):
    """The messages of a conversation."""

    @extend_schema(
        operation_id="sessions_messages",
        parameters=PAGING,
        responses=_page_of("MessagePage", MessageSerializer),
    )
    def get(self, request: Request, session_id: str) -> Response:
        """Messages in the order of their files, without the original records."""
        sessions.get_session(session_id)

        def find(cursor: str | None, limit: int) -> Page:
            return reader.page_messages(MessageFilter(), session_id=session_id, cursor=cursor, limit=limit)

        return _paged(request, find, MessageSerializer)


class MessageDetail(APIView):
    """One message."""

    @extend_schema(operation_id="messages_get", responses=FullMessageSerializer)
    def get(self, request: Request, hex_id: str) -> Response:
        """One message with its original record."""
        if len(hex_id) != 64 or set(hex_id) - set("0123456789abcdef"):
            raise NotFound("There is no message with this id.", hint="An id has 64 hex digits.")
        return Response(FullMessageSerializer(reader.get_message(hex_id)).data)


class ProjectList(APIView):
    """The projects."""

    @extend_schema(operation_id="projects_list", responses=_page_of("ProjectPage", ProjectSerializer))
    def get(self, request: Request) -> Response:
        """Every project with the sums of its sessions."""
        projects: Any = sessions.list_projects()
        found = ProjectSerializer(projects, many=True).data
        return Response({"next": None, "previous": None, "results": found})
