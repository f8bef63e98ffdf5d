"""The API of imports: what files would bring, import jobs, and the records that were rejected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from imports import outcomes, rejected_files, services, uploads
from imports.formats import FORMATS
from imports.models import ImportJob
from imports.serializers import (
    FormatSerializer,
    ImportCreateSerializer,
    ImportFormOptionsSerializer,
    ImportFormSerializer,
    ImportJobSerializer,
    ImportSummarySerializer,
    PreviewSerializer,
    RejectedRecordSerializer,
    UploadSerializer,
)
from jobs.api import AnyAccept, IdempotentCreateMixin, JobViewSet

REJECTED_PAGE = 100
REJECTED_PAGE_MAX = 500
CHUNK_BYTES = 128 * 1024


class FormatListView(APIView):
    """The source formats there are."""

    @extend_schema(responses=FormatSerializer(many=True), operation_id="import_formats")
    def get(self, request: Request) -> Response:
        """Each format that files may have, with what is read of it."""
        return Response(FormatSerializer(FORMATS.values(), many=True).data)


class PreviewView(APIView):
    """What an import would find."""

    @extend_schema(
        summary="Look at uploads before they are imported",
        request=ImportCreateSerializer,
        responses=PreviewSerializer,
    )
    def post(self, request: Request) -> Response:
        """Formats and why, the first 50 messages, problems by cause, what is new; changes nothing."""
        asked = ImportCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = services.preview_import(request.user, **asked.validated_data)
        return Response(PreviewSerializer(found).data)


class CreateImportMixin:
    """Takes ids of uploads as JSON, or small files as a form."""

    @extend_schema(
        summary="Import complete uploads, or small files",
        request={
            "application/json": ImportCreateSerializer,
            "multipart/form-data": ImportFormSerializer,
        },
        responses={202: ImportJobSerializer},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Start an import; 202 and its address. 409 when the same content is being imported."""
        is_form = (request.content_type or "").startswith("multipart/")
        job = _import_form(request) if is_form else _import_uploads(request)
        return _accepted(job)


def _accepted(job: ImportJob) -> Response:
    job.refresh_from_db()
    location = reverse("api-import-detail", args=[job.pk])
    data = ImportJobSerializer(job).data
    return Response(data, status=status.HTTP_202_ACCEPTED, headers={"Location": location})


def _import_uploads(request: Request) -> ImportJob:
    asked = ImportCreateSerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return services.create_import(request.user, **asked.validated_data)


def _import_form(request: Request) -> ImportJob:
    asked = ImportFormOptionsSerializer(data={"options": request.POST.get("options") or "{}"})
    asked.is_valid(raise_exception=True)
    return services.import_form_files(
        request.user, request.FILES.getlist("file"), asked.validated_data["options"]
    )


class ImportViewSet(IdempotentCreateMixin, CreateImportMixin, JobViewSet):
    """Imports: start, watch, cancel, retry, and see what was rejected."""

    model = ImportJob
    serializer_class = ImportJobSerializer
    parser_classes = (*JobViewSet.parser_classes, MultiPartParser)

    def get_serializer_class(self) -> Any:
        """Lists leave the files out: there may be thousands."""
        return ImportSummarySerializer if self.action == "list" else ImportJobSerializer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a body that is too large before anything (the CSRF check, too) reads it."""
        if self.action == "create":
            uploads.check_form_size(request.headers.get("Content-Length"))
        super().initial(request, *args, **kwargs)

    @extend_schema(
        responses=RejectedRecordSerializer(many=True),
        parameters=[
            OpenApiParameter("cursor", str, description="From the previous page's `next`."),
            OpenApiParameter("limit", int, description=f"At most {REJECTED_PAGE_MAX}."),
        ],
    )
    @action(detail=True, pagination_class=None)
    def rejected(self, request: Request, **_: Any) -> Response:
        """The records that were not taken in, each with its place, the reason and what to do."""
        job = self.get_object()
        limit = _asked_limit(request)
        page = outcomes.rejected_page(job, request.query_params.get("cursor"), limit)
        following = _with_cursor(request, page.next) if page.next else None
        results = RejectedRecordSerializer(page.items, many=True).data
        return Response({"next": following, "byCode": page.by_code, "results": results})

    @extend_schema(
        responses={(200, "application/jsonl"): OpenApiTypes.BINARY, (200, "text/csv"): OpenApiTypes.BINARY},
        parameters=[OpenApiParameter("as", str, description="`jsonl` (default) or `csv`.")],
    )
    @action(
        detail=True, url_path="rejected/download", pagination_class=None, content_negotiation_class=AnyAccept
    )
    def rejected_download(self, request: Request, **_: Any) -> StreamingHttpResponse:
        """All rejected records as a file, each with its place, the reason and its bytes."""
        form = request.query_params.get("as", "jsonl")
        job = self.get_object()
        body = _gathered(rejected_files.download(job, form))
        is_async = hasattr(request._request, "scope")
        response = StreamingHttpResponse(
            _awaited(body) if is_async else body, content_type=rejected_files.MEDIA_TYPES[form]
        )
        response["Content-Disposition"] = f'attachment; filename="rejected-{str(job.pk)[:8]}.{form}"'
        return response

    @extend_schema(request=None, responses={201: UploadSerializer})
    @action(detail=True, methods=["post"], url_path="rejected/again", pagination_class=None)
    def rejected_again(self, request: Request, **_: Any) -> Response:
        """Make an upload of the rejected records alone, to import them with other options."""
        upload = rejected_files.rejected_again(self.get_object())
        location = reverse("api-upload-detail", args=[upload.pk])
        data = UploadSerializer(upload).data
        return Response(data, status=status.HTTP_201_CREATED, headers={"Location": location})

    @extend_schema(request=None, responses={202: ImportJobSerializer})
    @action(detail=True, methods=["post"], pagination_class=None)
    def run(self, request: Request, **_: Any) -> Response:
        """Import for good what this dry run has looked at; the answer is the new job."""
        return _accepted(services.run_planned(self.get_object()))

    @extend_schema(request=None, responses={202: ImportJobSerializer})
    @action(detail=True, methods=["post"], url_path="roll-back", pagination_class=None)
    def roll_back(self, request: Request, **_: Any) -> Response:
        """Undo an import that has ended, exactly to what was there before. 409 with `conflicts` where later
        imports built on it."""
        job = self.get_object()
        services.roll_back_import(job)
        return Response(self.get_serializer(job).data, status=status.HTTP_202_ACCEPTED)

    def cancel_job(self, job: Any) -> None:
        """Stop after the batch at work; what was imported stays."""
        services.cancel_import(job)

    def retry_job(self, job: Any) -> None:
        """Go on from the checkpoint."""
        services.retry_import(job)


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        held += piece
        if len(held) >= CHUNK_BYTES:
            yield held
            held = b""
    yield held


async def _awaited(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces without holding up the event loop, which a plain iterator would do."""
    following = sync_to_async(lambda: next(pieces, None))
    while (piece := await following()) is not None:
        yield piece


def _asked_limit(request: Request) -> int:
    given = request.query_params.get("limit", str(REJECTED_PAGE))
    if not given.isdecimal() or not 1 <= int(given) <= REJECTED_PAGE_MAX:
        raise ValidationError({"limit": f"Give a number from 1 to {REJECTED_PAGE_MAX}."})
    return int(given)


def _with_cursor(request: Request, cursor: str) -> str:
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


router = SimpleRouter(use_regex_path=False)
router.register("imports", ImportViewSet, basename="api-import")
