# mypy: disallow-untyped-decorators=False
"""The API of jobs: what every kind of job offers, the list of all kinds together, and notices."""

import json
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.pagination import CursorPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from archive.errors import BadInput
from jobs import idempotency, notices, runner
from jobs.models import Job, JobState, Notice, find_job, jobs_before
from jobs.serializers import JobLogSerializer, JobSerializer, NoticeSerializer, SnapshotSerializer

KEY_HEADER = "Idempotency-Key"
KEY_MAX = 255
KEPT_HEADERS = ("Location",)
KEY_PARAMETER = OpenApiParameter(
    KEY_HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Send the same key to send the same request again without a second effect (24 h).",
)
STATE_PARAMETER = OpenApiParameter(
    "state", OpenApiTypes.STR, enum=JobState.values, description="Only jobs in this state."
)


class AnyAccept(BaseContentNegotiation):
    """A file is what it is, whatever the client says it would rather have."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """The first there is."""
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        """The first there is; it writes the refusals."""
        return renderers[0], renderers[0].media_type


class KeyPagination(CursorPagination):
    """Pages by key, whose bad cursors are refused as everywhere else in the API."""

    page_size_query_param = "limit"

    def decode_cursor(self, request: Request) -> Any:
        """The cursor that the request names, or None. Raises ``BadInput``."""
        try:
            return super().decode_cursor(request)
        except NotFound as error:
            raise BadInput(
                "The page cursor is not valid.", code="bad_cursor", hint="Start again from the first page."
            ) from error


class JobPagination(KeyPagination):
    """Newest first, stable while jobs are added: ``next``, ``previous``, ``results``."""

    ordering = ("-created_at", "-id")
    page_size = 50
    max_page_size = 200


class JobLogPagination(KeyPagination):
    """A log is read from its beginning."""

    ordering = "id"
    page_size = 200
    max_page_size = 1000


class JobViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]):
    """Base of the concrete jobs' endpoints: set ``model`` (and ``serializer_class``).

    A user sees and changes their own jobs, a superuser every job; any other id is 404.
    """

    model: type[Job]
    serializer_class = JobSerializer
    pagination_class = JobPagination
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Any]:
        """The jobs that the user may see, of the state that was asked for."""
        jobs = self.model.objects.visible_to(self.request.user).select_related("owner")
        state = asked_state(self.request) if self.action == "list" else ""
        return jobs.filter(state=state) if state else jobs

    @extend_schema(parameters=[STATE_PARAMETER])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Your jobs of this kind, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_: Any) -> Response:
        """Ask the job to stop; a running one does within 5 seconds. 409 when it has ended."""
        job = self.get_object()
        self.cancel_job(job)
        return Response(self.get_serializer(job).data, status=202)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, **_: Any) -> Response:
        """Run a failed, errored or cancelled job again, from where it stopped. Else 409."""
        job = self.get_object()
        self.retry_job(job)
        return Response(self.get_serializer(job).data, status=202)

    @extend_schema(responses=JobLogSerializer(many=True))
    @action(detail=True, pagination_class=JobLogPagination, serializer_class=JobLogSerializer)
    def log(self, request: Request, **_: Any) -> Response:
        """What the job told about itself, oldest line first."""
        return self.page_of(self.get_object().log_lines(), JobLogSerializer)

    def page_of(self, rows: Any, serializer: type[Any]) -> Response:
        """One page of ``rows`` (a query), with links to the next and previous ones."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer(page, many=True).data)

    def cancel_job(self, job: Any) -> None:
        """How this kind of job is cancelled; its service's verb where it has one."""
        runner.request_cancel(job)

    def retry_job(self, job: Any) -> None:
        """How this kind of job is run again."""
        runner.retry(job)


def asked_state(request: Request) -> str:
    """The ``state`` parameter, "" when absent; an unknown state is refused."""
    state = request.query_params.get("state", "")
    if state and state not in JobState.values:
        raise ValidationError({"state": f"There is no state {state!r}: {', '.join(JobState)}."})
    return state


class AnyJobList(APIView):
    """The newest jobs of every kind."""

    @extend_schema(
        responses=SnapshotSerializer(many=True),
        parameters=[
            STATE_PARAMETER,
            OpenApiParameter("limit", OpenApiTypes.INT, description="At most 200."),
            OpenApiParameter("before", OpenApiTypes.UUID, description="Only jobs older than this."),
        ],
        operation_id="jobs_recent",
    )
    def get(self, request: Request) -> Response:
        """Your jobs of all kinds, newest first; ``next`` leads to the older ones."""
        limit = _asked_limit(request)
        before = request.query_params.get("before")
        last = _visible_job(before, request) if before else None
        found = jobs_before(request.user, last, limit + 1, state=asked_state(request))
        following = self._next(request, found[limit - 1]) if len(found) > limit else None
        results = SnapshotSerializer(found[:limit], many=True).data
        return Response({"next": following, "previous": None, "results": results})

    def _next(self, request: Request, last: Job) -> str:
        query = request.query_params.copy()
        query["before"] = str(last.pk)
        return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


class AnyJob(APIView):
    """One job of whatever kind: what pages poll when they have no WebSocket."""

    @extend_schema(responses=SnapshotSerializer, operation_id="jobs_snapshot")
    def get(self, request: Request, job_id: Any) -> Response:
        """The job as it stands now."""
        return Response(SnapshotSerializer(_visible_job(job_id, request)).data)


class NoticeList(generics.ListAPIView[Notice]):
    """What was told about the ends of the user's own jobs."""

    serializer_class = NoticeSerializer
    pagination_class = JobPagination

    def get_queryset(self) -> QuerySet[Notice]:
        """One's own only, a superuser's too."""
        return Notice.objects.filter(owner_id=self.request.user.pk)

    @extend_schema(operation_id="notices_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The notices of your jobs' ends, newest first; kept for 30 days."""
        return super().get(request, *args, **kwargs)


class SeeNotice(APIView):
    """Put one of the user's own notices away."""

    @extend_schema(request=None, responses=NoticeSerializer, operation_id="notices_seen")
    def post(self, request: Request, notice_id: int) -> Response:
        """Mark the notice as seen; pages do not show it any more. Again is no error."""
        return Response(NoticeSerializer(notices.see(request.user, notice_id)).data)


def _visible_job(job_id: Any, request: Request) -> Job:
    job = find_job(job_id)
    if job is None or not job.is_visible_to(request.user):
        raise NotFound("There is no such job, or it is not yours to see.")
    return job


def _asked_limit(request: Request) -> int:
    given = request.query_params.get("limit", "50")
    if not given.isdecimal() or not 1 <= int(given) <= 200:
        raise ValidationError({"limit": "Give a number from 1 to 200."})
    return int(given)


class IdempotentCreateMixin:
    """Makes ``create`` safe to send again: put it before the view's other bases.

    Under one ``Idempotency-Key`` the same request gets the answer of the first time, with
    ``Idempotent-Replayed: true``; another request gets 422, a concurrent one 409. Only a success
    is kept: a refused request had no effect and may be sent again.
    """

    @extend_schema(parameters=[KEY_PARAMETER])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Do the work once, and give its answer as often as it is asked for."""
        key = request.headers.get(KEY_HEADER, "")
        if not key:
            return self._create(request, *args, **kwargs)
        if len(key) > KEY_MAX:
            raise ValidationError({KEY_HEADER: f"A key has at most {KEY_MAX} characters."})
        fingerprint = idempotency.fingerprint(str(request.method), request.path, request.data)
        try:
            claimed = idempotency.claim_key(request.user, key, fingerprint)
        except idempotency.KeyReused as reused:
            return _reused(reused, request.path)
        if claimed.status is not None:
            return _replayed(claimed)
        return self._create_once(claimed, request, *args, **kwargs)

    def _create_once(self, key: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        done = False
        try:
            with transaction.atomic():
                response = self._create(request, *args, **kwargs)
                done = response.status_code < 400
                if done:
                    idempotency.keep_answer(key, response.status_code, *_kept_parts(response))
        finally:
            if not done:
                idempotency.release_key(key)
        return response

    def _create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().create(request, *args, **kwargs)  # type: ignore[misc]
        return response


def _kept_parts(response: Response) -> tuple[Any, dict[str, str]]:
    headers = {name: response[name] for name in KEPT_HEADERS if response.has_header(name)}
    return json.loads(JSONRenderer().render(response.data) or "null"), headers


def _replayed(key: Any) -> Response:
    headers = {**key.headers, "Idempotent-Replayed": "true"}
    return Response(key.body, status=key.status, headers=headers)


def _reused(error: idempotency.KeyReused, path: str) -> Response:
    members = {
        "type": "about:blank",
        "title": "The key was used for another request",
        "status": 422,
        "detail": error.message,
        "code": error.code,
        "hint": error.hint,
        "instance": path,
    }
    return Response(members, status=422, content_type="application/problem+json")
