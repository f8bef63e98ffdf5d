"""The API of presets and schedules: kept, changed, and made into exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from archive.errors import BadInput
from exports import presets, schedules
from exports.api import accepted
from exports.models import ExportJob, Preset, Schedule
from exports.recurring.serializers import (
    PresetChangeSerializer,
    PresetCreateSerializer,
    PresetSerializer,
    ScheduleChangeSerializer,
    ScheduleCreateSerializer,
    ScheduleSerializer,
)
from exports.serializers import ExportJobSerializer
from jobs.api import KEY_PARAMETER, IdempotentCreateMixin, JobPagination


def _asked(request: Request) -> Mapping[str, object]:
    """The body; the services check its members. Raises BadInput when it is no object."""
    if not isinstance(request.data, Mapping):
        raise BadInput("The body is not a JSON object.", hint='Send {"name": "Nightly"}.')
    return request.data


class PresetViewSet(viewsets.GenericViewSet[Preset]):
    """Exports that are saved under a name."""

    queryset = Preset.objects.none()  # for the schema; the services decide
    serializer_class = PresetSerializer
    pagination_class = JobPagination
    lookup_value_converter = "int"

    def list(self, request: Request) -> Response:
        """Your presets and the shared ones, newest first."""
        page = self.paginate_queryset(presets.visible_presets(request.user))
        return self.get_paginated_response(PresetSerializer(page, many=True).data)

    @extend_schema(request=PresetCreateSerializer, responses={201: PresetSerializer})
    def create(self, request: Request) -> Response:
        """Save an export under a name; what is saved was right at that time."""
        preset = presets.create_preset(request.user, _asked(request))
        location = reverse("api-preset-detail", args=[preset.pk])
        return Response(PresetSerializer(preset).data, status=201, headers={"Location": location})

    def retrieve(self, request: Request, pk: int) -> Response:
        """One preset."""
        return Response(PresetSerializer(presets.find_preset(request.user, pk)).data)

    @extend_schema(request=PresetChangeSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change what is named of a preset of yours; the rest stays."""
        preset = presets.find_preset(request.user, pk)
        return Response(PresetSerializer(presets.change_preset(request.user, preset, _asked(request))).data)

    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a preset of yours. 409 while a schedule of yours makes it."""
        presets.delete_preset(request.user, presets.find_preset(request.user, pk))
        return Response(status=204)


class ScheduleViewSet(viewsets.GenericViewSet[Schedule]):
    """Presets that are made again and again."""

    queryset = Schedule.objects.none()  # for the schema; the services decide
    serializer_class = ScheduleSerializer
    pagination_class = JobPagination
    lookup_value_converter = "int"

    def list(self, request: Request) -> Response:
        """Your schedules, newest first."""
        page: Any = self.paginate_queryset(schedules.visible_schedules(request.user))
        context = {"outcomes": schedules.last_outcomes(page)}
        return self.get_paginated_response(ScheduleSerializer(page, many=True, context=context).data)

    @extend_schema(request=ScheduleCreateSerializer, responses={201: ScheduleSerializer})
    def create(self, request: Request) -> Response:
        """Have a preset made again and again."""
        schedule = schedules.create_schedule(request.user, _asked(request))
        location = reverse("api-schedule-detail", args=[schedule.pk])
        return Response(ScheduleSerializer(schedule).data, status=201, headers={"Location": location})

    def retrieve(self, request: Request, pk: int) -> Response:
        """One schedule, when it is due next, and what came of it last."""
        return Response(ScheduleSerializer(schedules.find_schedule(request.user, pk)).data)

    @extend_schema(request=ScheduleChangeSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change what is named of a schedule; ``enabled`` stops it and has it begin again."""
        schedule = schedules.find_schedule(request.user, pk)
        return Response(ScheduleSerializer(schedules.change_schedule(schedule, _asked(request))).data)

    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a schedule; the exports that it made stay."""
        schedules.delete_schedule(schedules.find_schedule(request.user, pk))
        return Response(status=204)


class MakesExport:
    """The plain part of ``create``, which the mixin makes safe to repeat."""

    def create(self, request: Request, pk: int) -> Response:
        """Make the job."""
        return accepted(self.make(request.user, pk), request)

    def make(self, user: Any, pk: int) -> ExportJob:
        """What the address stands for."""
        raise NotImplementedError


class PresetExportView(IdempotentCreateMixin, MakesExport, APIView):
    """Exports of a preset."""

    def make(self, user: Any, pk: int) -> ExportJob:
        """The export that the preset stands for, for whoever asks."""
        return presets.use_preset(user, presets.find_preset(user, pk))

    @extend_schema(request=None, responses={202: ExportJobSerializer}, parameters=[KEY_PARAMETER])
    def post(self, request: Request, pk: int) -> Response:
        """Begin the export of a preset. The answer is the job; ``Location`` is where to watch it."""
        return self.create(request, pk=pk)


class ScheduleRunView(IdempotentCreateMixin, MakesExport, APIView):
    """Exports of a schedule beside its slots."""

    def make(self, user: Any, pk: int) -> ExportJob:
        """The schedule's export, for its owner."""
        return schedules.run_schedule(schedules.find_schedule(user, pk))

    @extend_schema(request=None, responses={202: ExportJobSerializer}, parameters=[KEY_PARAMETER])
    def post(self, request: Request, pk: int) -> Response:
        """Begin the export of a schedule now, beside its slots. The answer is the job."""
        return self.create(request, pk=pk)


router = SimpleRouter(use_regex_path=False)
router.register("presets", PresetViewSet, basename="api-preset")
router.register("schedules", ScheduleViewSet, basename="api-schedule")
