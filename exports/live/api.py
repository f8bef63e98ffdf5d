"""The API of what needs no job: live exports and estimates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from archive.errors import BadInput
from exports import choices, filters
from exports.live import bodies, streams
from exports.live.serializers import EstimateAskedSerializer, EstimateSerializer
from exports.live.services import estimate_asked
from exports.reading import BadFilter
from exports.renderers import RENDERERS
from jobs.api import AnyAccept

MEMBERS = ("format", "filter", "choices")
STREAMED = [renderer for renderer in RENDERERS.values() if renderer.streams]


def _parameters() -> list[OpenApiParameter]:
    words = [word for word in (*filters.FIELDS, *choices.FIELDS) if word not in streams.WHOLE_FILES]
    return [
        OpenApiParameter(streams.FORMAT, str, required=True, enum=[renderer.name for renderer in STREAMED]),
        *(OpenApiParameter(word, str, description="As of every export.") for word in words),
        OpenApiParameter(streams.END_MARK, bool, description="A last line that says that all came."),
    ]


class LiveExportView(APIView):
    """Messages straight from the archive, for scripts."""

    http_method_names = ["get", "options"]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="messages_export",
        parameters=_parameters(),
        responses={
            (200, media_type): OpenApiTypes.BINARY
            for media_type in sorted({each.media_type for each in STREAMED})
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """An export as it is made, without a job. One that is not whole ends in an aborted connection."""
        asked = streams.understand(dict(request.query_params.lists()))
        return bodies.respond(request, asked, streams.open_stream(request.user, asked))


class EstimateView(APIView):
    """What an export would come to."""

    @extend_schema(
        operation_id="exports_estimate", request=EstimateAskedSerializer, responses=EstimateSerializer
    )
    def post(self, request: Request) -> Response:
        """How many messages, about how many bytes, and how it would begin. Makes nothing."""
        asked = _members(request.data)
        found = estimate_asked(asked.get("format", ""), asked.get("filter") or {}, asked.get("choices") or {})
        return Response(found.as_dict())


def _members(data: Any) -> Mapping[str, Any]:
    """The members of the body, if they are ones that there are. Raises BadInput naming the wrong one."""
    if not isinstance(data, Mapping):
        raise BadInput("The body is not a JSON object.", hint='Send {"format": "json"}.')
    for name, value in data.items():
        if name not in MEMBERS:
            raise BadFilter(str(name)[:60], "there is no such field.", hint=f"Fields: {', '.join(MEMBERS)}.")
        if name != "format" and value is not None and not isinstance(value, Mapping):
            raise BadFilter(name, "it is not an object.", hint='Send {"since": "2025-01-31"}.')
    return data
