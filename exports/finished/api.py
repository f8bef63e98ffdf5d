"""The API of finished exports: links to their files, who downloaded them, how long they are kept."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from archive.errors import ArchiveError, Conflict, Gone, NotFound, Unavailable
from exports import artifacts
from exports.finished import download_log, guesses, keeping, links
from exports.finished.serializers import (
    DownloadSerializer,
    KeepSerializer,
    LinkCreateSerializer,
    LinkSerializer,
)
from exports.models import ExportJob, Link
from exports.serializers import ArtifactSerializer
from jobs.api import AnyAccept, JobPagination, KeyPagination

PRIVATE = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}
"""On whatever a link answers: nobody keeps it, lists it, or tells its address on."""


class DownloadPagination(KeyPagination):
    """Newest first."""

    ordering = ("-at", "-id")
    page_size = 50
    max_page_size = 200


class FinishedView(GenericAPIView[Any]):
    """Something about one export; another person's is 404."""

    def export(self, job_id: UUID) -> ExportJob:
        """The export that the address names. Raises NotFound."""
        return artifacts.find_export(self.request.user, job_id)

    def asked(self) -> Any:
        """The checked body. Raises ValidationError naming the field."""
        asked = self.get_serializer(data=self.request.data)
        asked.is_valid(raise_exception=True)
        return asked.validated_data

    def page_of(self, rows: Any, serializer: type[Any]) -> Response:
        """One page of ``rows``, with links to the next and previous ones."""
        page = self.paginate_queryset(rows)
        context = self.get_serializer_context()
        return self.get_paginated_response(serializer(page, many=True, context=context).data)


class LinkListView(FinishedView):
    """The links to the files of one export."""

    queryset = Link.objects.none()
    serializer_class = LinkCreateSerializer
    pagination_class = JobPagination

    @extend_schema(responses=LinkSerializer(many=True), operation_id="exports_links_list")
    def get(self, request: Request, job_id: UUID) -> Response:
        """Open, expired and revoked ones, newest first."""
        return self.page_of(links.links_of(self.export(job_id)), LinkSerializer)

    @extend_schema(responses={201: LinkSerializer}, operation_id="exports_links_create")
    def post(self, request: Request, job_id: UUID) -> Response:
        """Make a link that lets whoever has its ``url`` download one file, until it expires or is revoked."""
        job = self.export(job_id)
        asked = self.asked()
        artifact = artifacts.find_artifact(request.user, job.pk, asked["number"])
        made = links.make_link(request.user, artifact, hours=asked.get("hours"), note=asked["note"])
        link = links.link_of(job, made.pk)
        return Response(LinkSerializer(link, context=self.get_serializer_context()).data, status=201)


class LinkView(FinishedView):
    """One link."""

    @extend_schema(request=None, responses={204: None}, operation_id="exports_links_destroy")
    def delete(self, request: Request, job_id: UUID, link_id: UUID) -> Response:
        """Revoke it: from now on it leads nowhere. Downloads that are under way go on."""
        links.revoke_link(links.link_of(self.export(job_id), link_id))
        return Response(status=204)


class DownloadListView(FinishedView):
    """Who downloaded what of one export."""

    pagination_class = DownloadPagination

    @extend_schema(responses=DownloadSerializer(many=True), operation_id="exports_downloads")
    def get(self, request: Request, job_id: UUID) -> Response:
        """Each answer that sent bytes, newest first: a download that was resumed is several."""
        return self.page_of(download_log.downloads_of(self.export(job_id)), DownloadSerializer)


class ArtifactListView(FinishedView):
    """All files of one export."""

    serializer_class = KeepSerializer

    @extend_schema(responses=ArtifactSerializer(many=True), operation_id="exports_artifacts_keep")
    def patch(self, request: Request, job_id: UUID) -> Response:
        """Keep them until so many days from now."""
        return Response(self._keep(job_id))

    @extend_schema(request=None, responses={204: None}, operation_id="exports_artifacts_delete")
    def delete(self, request: Request, job_id: UUID) -> Response:
        """Delete them now. The log of their downloads stays."""
        return self._delete(job_id)

    def _keep(self, job_id: UUID, number: int | None = None) -> list[Any]:
        days = self.asked()["days"]
        files = keeping.kept_artifacts(self.export(job_id), number)
        keeping.keep_until(files, days)
        return list(ArtifactSerializer(files, many=True).data)

    def _delete(self, job_id: UUID, number: int | None = None) -> Response:
        keeping.delete_now(keeping.kept_artifacts(self.export(job_id), number), self.request.user)
        return Response(status=204)


class ArtifactView(ArtifactListView):
    """One file of an export, by its number."""

    @extend_schema(responses=ArtifactSerializer, operation_id="exports_artifact_keep")
    def patch(self, request: Request, job_id: UUID, number: int = 1) -> Response:
        """Keep it until so many days from now."""
        return Response(self._keep(job_id, number)[0])

    @extend_schema(request=None, responses={204: None}, operation_id="exports_artifact_delete")
    def delete(self, request: Request, job_id: UUID, number: int = 1) -> Response:
        """Delete it now. The log of its downloads stays."""
        return self._delete(job_id, number)


@extend_schema(exclude=True)
class LinkDownloadView(APIView):
    """What a link's address answers, to whoever has it: the file, or why there is none."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    content_negotiation_class = AnyAccept
    http_method_names = ("get", "head")  # type: ignore[assignment]

    def get(self, request: Request, token: str) -> HttpResponseBase:
        """The file, as its owner gets it."""
        return self._kept_private(_offer(request, _follow(request, token)))

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """A plain page for people, a problem for programs."""
        response = super().handle_exception(exc)
        if self._is_for_people():
            page = render_to_string("exports/link_refused.html", {"problem": response.data})
            shown = HttpResponse(page, status=response.status_code)
            if "Retry-After" in response:
                shown["Retry-After"] = response["Retry-After"]
            return self._kept_private(shown)
        return self._kept_private(response)

    def _is_for_people(self) -> bool:
        types = ["text/html", "application/json", "application/problem+json"]
        return self.request._request.get_preferred_type(types) in (None, "text/html")

    def _kept_private(self, response: HttpResponseBase) -> HttpResponseBase:
        for name, value in PRIVATE.items():
            response[name] = value
        return response


def _follow(request: Request, token: str) -> Link:
    address = download_log.client_address(request)
    guesses.refuse_guesser(address)
    try:
        return links.find_link(token)
    except NotFound:
        guesses.count_wrong_link(address)
        raise


def _offer(request: Request, link: Link) -> HttpResponseBase:
    """The file; what is wrong with it is told without telling more of the archive than the link gives."""
    try:
        return artifacts.offer(request, link.artifact, link)
    except (Gone, Conflict, Unavailable) as refusal:
        raise _reworded(refusal) from refusal


def _reworded(refusal: ArchiveError) -> ArchiveError:
    words = {
        Gone: ("The file of this link is no longer kept.", links.ASK_AGAIN),
        Conflict: ("The file of this link was damaged on the server.", links.ASK_AGAIN),
        Unavailable: ("The file of this link is being checked.", "Try again in some minutes."),
    }
    message, hint = words[type(refusal)]
    return type(refusal)(message, hint=hint, code=refusal.code)
