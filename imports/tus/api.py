"""The endpoints of uploads: tus 1.0 (creation, checksum, expiration, termination)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.http import http_date
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from archive.errors import BadInput
from imports import tus, uploads
from imports.models import Upload
from imports.parts import Checksum, ChecksumMismatch, OffsetConflict, Part, append_part
from imports.serializers import UploadDetailSerializer, UploadSerializer


class PreconditionFailed(APIException):
    """The client speaks another version of tus."""

    status_code = 412
    default_detail = "Tus-Resumable is missing or names a version that is not spoken here."
    default_code = "tus_version"


class PartChanged(APIException):
    """The part's checksum is not that of its bytes (tus, checksum extension)."""

    status_code = 460
    default_code = "checksum_mismatch"


class TusView(APIView):
    """What every answer of the tus endpoints has in common."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Honour X-HTTP-Method-Override, as the protocol asks."""
        override = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and override in ("PATCH", "DELETE"):
            request.method = override
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Know the user, then the version. A plain GET needs no version."""
        super().initial(request, *args, **kwargs)
        if request.method in ("GET", "OPTIONS"):
            return
        if request.headers.get("Tus-Resumable") != tus.VERSION:
            raise PreconditionFailed

    def get_permissions(self) -> Any:
        """What the server can do may be asked by anybody."""
        return [] if self.request.method == "OPTIONS" else super().get_permissions()

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Name the version in every answer, refusals too."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = tus.VERSION
        response["Cache-Control"] = "no-store"
        if response.status_code == PreconditionFailed.status_code:
            response["Tus-Version"] = tus.VERSION
        return response

    def handle_exception(self, exc: Exception) -> Response:
        """Tell the right offset beside a conflict, so that a client need not ask for it."""
        if isinstance(exc, ChecksumMismatch):
            exc = PartChanged(exc.message)
        response = super().handle_exception(exc)
        if isinstance(exc, OffsetConflict):
            response["Upload-Offset"] = str(exc.offset)
        return response

    @extend_schema(exclude=True)
    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Say what this server speaks and how much it takes."""
        return Response(
            status=status.HTTP_204_NO_CONTENT,
            headers={
                "Tus-Version": tus.VERSION,
                "Tus-Extension": tus.EXTENSIONS,
                "Tus-Max-Size": str(settings.CLAUDELENS_UPLOAD_MAX_BYTES),
                "Tus-Checksum-Algorithm": ",".join(tus.CHECKSUM_ALGORITHMS),
            },
        )


def _progress_headers(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": http_date(upload.expires_at.timestamp()),
    }


class UploadListView(TusView):
    """Begin an upload (tus creation); list your own."""

    @extend_schema(
        summary="Begin a resumable upload (tus creation)",
        request=None,
        responses={201: None},
        parameters=[
            OpenApiParameter("Tus-Resumable", str, "header", required=True),
            OpenApiParameter("Upload-Length", int, "header", required=True),
            OpenApiParameter("Upload-Metadata", str, "header", required=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Make an upload of ``Upload-Length`` bytes; ``Location`` is where its parts go."""
        size = tus.parse_number("Upload-Length", request.headers.get("Upload-Length"))
        metadata = tus.parse_metadata(request.headers.get("Upload-Metadata", ""))
        name = metadata.get("relativePath") or metadata.get("filename") or metadata.get("name")
        if not name:
            raise BadInput(
                "The upload has no file name.",
                hint="Send it base64-coded as filename in Upload-Metadata.",
                code="bad_header",
            )
        upload = uploads.create_upload(request.user, name=name, size=size)
        headers = {"Location": reverse("api-upload-detail", args=[upload.pk])}
        return Response(status=status.HTTP_201_CREATED, headers=headers | _progress_headers(upload))

    @extend_schema(
        summary="List your uploads that are not yet imported",
        responses=UploadSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """The newest hundred uploads that wait for parts or for their import."""
        waiting = Upload.objects.visible_to(request.user).waiting()[:100]
        return Response(UploadSerializer(waiting, many=True).data)


class UploadView(TusView):
    """One upload: how far it is, its next part, its end."""

    @extend_schema(summary="How far an upload is", responses=UploadDetailSerializer)
    def get(self, request: Request, upload_id: UUID) -> Response:
        """The upload; whole ones with their sha256, what they look like, and whether they are known."""
        return Response(UploadDetailSerializer(uploads.find_upload(request.user, upload_id)).data)

    @extend_schema(exclude=True)
    def head(self, request: Request, upload_id: UUID) -> Response:
        """The offset to continue from, in ``Upload-Offset``."""
        upload = uploads.find_upload(request.user, upload_id)
        headers = _progress_headers(upload) | {"Upload-Length": str(upload.size)}
        return Response(headers=headers)

    @extend_schema(
        summary="Send the next part (tus)",
        request={tus.PART_TYPE: bytes},
        responses={204: None},
        parameters=[
            OpenApiParameter("Tus-Resumable", str, "header", required=True),
            OpenApiParameter("Upload-Offset", int, "header", required=True),
            OpenApiParameter("Upload-Checksum", str, "header"),
        ],
    )
    def patch(self, request: Request, upload_id: UUID) -> Response:
        """Append the body at ``Upload-Offset``; 409 and the right offset if it stands elsewhere."""
        if request.content_type != tus.PART_TYPE:
            raise UnsupportedMediaType(request.content_type or "nothing")
        upload = uploads.find_upload(request.user, upload_id)
        upload = append_part(upload, _part_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_progress_headers(upload))

    @extend_schema(summary="Give an upload up (tus termination)", responses={204: None})
    def delete(self, request: Request, upload_id: UUID) -> Response:
        """Delete the upload and its bytes."""
        uploads.remove_upload(uploads.find_upload(request.user, upload_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _part_of(request: Request) -> Part:
    """The part that a request carries; its body is not read yet."""
    length = request.headers.get("Content-Length")
    checksum = tus.parse_checksum(request.headers.get("Upload-Checksum"))
    return Part(
        offset=tus.parse_number("Upload-Offset", request.headers.get("Upload-Offset")),
        stream=request._request,
        length=None if length is None else tus.parse_number("Content-Length", length),
        checksum=Checksum(*checksum) if checksum else None,
    )
