"""The API of exports: make them, watch them, download them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from archive.errors import BadInput
from exports import artifacts, services
from exports.filters import BadFilter
from exports.models import ExportJob
from exports.serializers import ExportCreateSerializer, ExportJobSerializer, FormatSerializer
from jobs.api import KEY_PARAMETER, AnyAccept, IdempotentCreateMixin, JobViewSet

FIELDS = ("format", "filter", "choices")


class CreateExport:
    """The plain part of ``create``, which the mixin makes safe to repeat."""

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Check what is asked, make the job."""
        asked = _asked(request.data)
        job = services.create_export(
            request.user,
            format=asked.get("format", ""),
            asked=asked.get("filter") or {},
            choices=asked.get("choices") or {},
        )
        return accepted(job, request)


def accepted(job: ExportJob, request: Request) -> Response:
    """The answer to a request that made an export: 202, the job, and where to watch it."""
    job.refresh_from_db()
    location = reverse("api-export-detail", args=[job.pk])
    body = ExportJobSerializer(job, context={"request": request}).data
    return Response(body, status=202, headers={"Location": location})


class ExportViewSet(IdempotentCreateMixin, CreateExport, JobViewSet):
    """Exports of the archive to files."""

    model = ExportJob
    queryset = ExportJob.objects.none()  # for the schema; get_queryset decides
    serializer_class = ExportJobSerializer

    def get_queryset(self) -> QuerySet[Any]:
        """With their artifacts, in one query."""
        return super().get_queryset().prefetch_related("artifacts")

    @extend_schema(
        request=ExportCreateSerializer,
        responses={202: ExportJobSerializer},
        parameters=[KEY_PARAMETER],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Begin an export. The answer is the job; ``Location`` is where to watch it."""
        response: Response = super().create(request, *args, **kwargs)
        return response

    def cancel_job(self, job: Any) -> None:
        """Nothing of a cancelled export stays."""
        services.cancel_export(job)

    def retry_job(self, job: Any) -> None:
        """It is built anew."""
        services.retry_export(job)

    @extend_schema(
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
        },
        parameters=[
            OpenApiParameter("Range", str, "header", description="One range, as bytes=0-1023."),
            OpenApiParameter("If-Range", str, "header", description="The ETag you began with."),
            OpenApiParameter("part", int, "query", description="Which of its parts, from 1 on."),
        ],
    )
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAccept)
    def download(self, request: Request, pk: Any = None) -> HttpResponseBase:
        """The file. Resumable: strong ETag (its sha256), single ranges; 410 once it has expired."""
        part = artifacts.part_number(request.query_params.get("part"))
        artifact = artifacts.find_artifact(request.user, pk, part)
        return artifacts.offer(request, artifact)


class FormatListView(APIView):
    """The export formats there are."""

    @extend_schema(responses=FormatSerializer(many=True), operation_id="export_formats")
    def get(self, request: Request) -> Response:
        """Each format, with what it keeps and what it loses."""
        return Response(services.describe_formats())


def _asked(data: Any) -> Mapping[str, Any]:
    """The request's members, if they are ones that there are. Raises BadFilter naming the field."""
    if not isinstance(data, Mapping):
        raise BadInput("The body is not a JSON object.", hint='Send {"format": "json"}.')
    for name in data:
        if name not in FIELDS:
            raise BadFilter(str(name)[:60], "there is no such field.", hint=f"Fields: {', '.join(FIELDS)}.")
    for name, example in (("filter", '{"since": "2025-01-31"}'), ("choices", '{"compression": "zstd"}')):
        if not isinstance(data.get(name) or {}, Mapping):
            raise BadFilter(name, "it is not an object.", hint=f"Send {example}.")
    return data


router = SimpleRouter(use_regex_path=False)
router.register("exports", ExportViewSet, basename="api-export")
