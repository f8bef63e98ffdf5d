"""The API of storage: the report that the page shows."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from archive.growth import MOST_DAYS
from maintenance.api import IsSuperuser
from maintenance.steps.base import BadParameter
from maintenance.storage import report
from maintenance.storage.serializers import StorageReportSerializer

DAYS = OpenApiParameter("days", OpenApiTypes.INT, description=f"How far to look back: 1 to {MOST_DAYS}.")


class StorageView(APIView):
    """Sizes, growth and forecast."""

    permission_classes = (IsSuperuser,)

    @extend_schema(responses=StorageReportSerializer, operation_id="maintenance_storage", parameters=[DAYS])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Everything that the storage page shows, measured now."""
        return Response(report.storage_report(_days(request.query_params.get("days", str(report.DAYS)))))


def _days(given: str) -> int:
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= MOST_DAYS):
        raise BadParameter("days", f"it must be a whole number from 1 to {MOST_DAYS}.")
    return int(given)
