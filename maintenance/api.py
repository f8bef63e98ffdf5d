"""The API of maintenance: plan a step, run it, watch it. For superusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from archive.errors import BadInput
from jobs.api import KEY_PARAMETER, IdempotentCreateMixin, JobViewSet
from maintenance import overview, services
from maintenance.access import WHY_NOT, is_allowed
from maintenance.models import MaintenanceJob
from maintenance.serializers import MaintenanceCreateSerializer, MaintenanceJobSerializer, StepSerializer
from maintenance.steps.base import BadParameter

FIELDS = ("step", "parameters", "dryRun", "plan")


class IsSuperuser(BasePermission):
    """Superusers; everybody else is told why not."""

    message = WHY_NOT

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the user may look after everybody's data."""
        return is_allowed(request.user)


class CreateMaintenance:
    """The plain part of ``create``, which the mixin makes safe to repeat."""

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Check what is asked, make the job."""
        asked = _asked(request.data)
        planned = services.find_job(request.user, asked["plan"]) if asked.get("plan") else None
        job = services.create_job(
            asked.get("step", planned.step if planned else None),
            asked.get("parameters") or {},
            request.user,
            dry_run=asked.get("dryRun") or False,
            plan_of=planned,
        )
        job.refresh_from_db()
        body = MaintenanceJobSerializer(job, context={"request": request}).data
        where = reverse("api-maintenance-detail", args=[job.pk])
        return Response(body, status=202, headers={"Location": where})


class MaintenanceViewSet(IdempotentCreateMixin, CreateMaintenance, JobViewSet):
    """Jobs that look after storage."""

    model = MaintenanceJob
    queryset = MaintenanceJob.objects.none()  # for the schema; get_queryset decides
    serializer_class = MaintenanceJobSerializer
    permission_classes = (IsSuperuser,)

    @extend_schema(
        request=MaintenanceCreateSerializer,
        responses={202: MaintenanceJobSerializer},
        parameters=[KEY_PARAMETER],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Begin a step, or only plan it. The answer is the job; ``Location`` is where to watch it."""
        response: Response = super().create(request, *args, **kwargs)
        return response

    def cancel_job(self, job: Any) -> None:
        """It stops after the unit it is at; what is done stays done."""
        services.cancel_maintenance(job)

    def retry_job(self, job: Any) -> None:
        """It goes on with the same plan."""
        services.retry_maintenance(job)


class StepListView(APIView):
    """The steps there are."""

    permission_classes = (IsSuperuser,)

    @extend_schema(responses=StepSerializer(many=True), operation_id="maintenance_steps")
    def get(self, request: Request) -> Response:
        """Each step, what it takes, and when it is begun by itself."""
        return Response(StepSerializer(overview.steps_as_dicts(), many=True).data)


def _asked(data: Any) -> Mapping[str, Any]:
    """The request's members, if they are ones that there are. Raises BadParameter naming the field."""
    if not isinstance(data, Mapping):
        raise BadInput("The body is not a JSON object.", hint='Send {"step": "tier", "dryRun": true}.')
    for name in data:
        if name not in FIELDS:
            hint = f"Fields: {', '.join(FIELDS)}."
            raise BadParameter(str(name)[:60], "there is no such field.", hint=hint)
    if not isinstance(data.get("parameters") or {}, Mapping):
        raise BadParameter("parameters", "it is not an object.", hint='Send {"month": "2026_03"}.')
    if not isinstance(data.get("dryRun") or False, bool):
        raise BadParameter("dryRun", "it is neither true nor false.", hint="Send true or false.")
    return data


router = SimpleRouter(use_regex_path=False)
router.register("maintenance", MaintenanceViewSet, basename="api-maintenance")
