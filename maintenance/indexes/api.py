"""The API of indexes: what there is, what is advised, and deciding about it. For superusers."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from archive.index_changes import AdviceState
from maintenance.api import IsSuperuser
from maintenance.indexes import services
from maintenance.indexes.serializers import AdviceSerializer, IndexSerializer, ShapeSerializer

STATE = OpenApiParameter("state", enum=[str(each) for each in AdviceState], description="Only in this state.")


class IndexListView(APIView):
    """The indexes there are."""

    permission_classes = (IsSuperuser,)

    @extend_schema(responses=IndexSerializer(many=True), operation_id="maintenance_indexes")
    def get(self, request: Request) -> Response:
        """Each index of partitions and keys: its size, its use, and what to think of it."""
        return Response(IndexSerializer(services.list_indexes(), many=True).data)


class ShapeListView(APIView):
    """The queries there were."""

    permission_classes = (IsSuperuser,)

    @extend_schema(responses=ShapeSerializer(many=True), operation_id="maintenance_query_shapes")
    def get(self, request: Request) -> Response:
        """The shapes of queries on messages that took the longest in the last 7 days."""
        return Response(ShapeSerializer(services.list_shapes(), many=True).data)


class AdviceListView(APIView):
    """Advice on indexes."""

    permission_classes = (IsSuperuser,)

    @extend_schema(
        responses=AdviceSerializer(many=True), operation_id="maintenance_advice", parameters=[STATE]
    )
    def get(self, request: Request) -> Response:
        """What is advised and what became of it, the largest first; outdated ones only if asked for."""
        told = services.list_advice(request.query_params.get("state", ""))
        return Response(AdviceSerializer(told, many=True).data)


class AdviceVerbView(APIView):
    """Base of the three verbs."""

    permission_classes = (IsSuperuser,)
    verb = ""

    def decide(self, request: Request, advice_id: str) -> Response:
        """The row as it is afterwards."""
        row = services.decide(advice_id, self.verb, request.user)
        return Response(AdviceSerializer(services.advice_as_dict(row)).data)


class AdviceApplyView(AdviceVerbView):
    """Apply."""

    verb = "apply"

    @extend_schema(request=None, responses=AdviceSerializer, operation_id="maintenance_advice_apply")
    def post(self, request: Request, advice_id: str) -> Response:
        """Create the index, or hide it; it is dropped some weeks later. 409 when decided otherwise."""
        return self.decide(request, advice_id)


class AdviceDismissView(AdviceVerbView):
    """Dismiss."""

    verb = "dismiss"

    @extend_schema(request=None, responses=AdviceSerializer, operation_id="maintenance_advice_dismiss")
    def post(self, request: Request, advice_id: str) -> Response:
        """Leave it as it is; it is not asked again. 409 when decided otherwise."""
        return self.decide(request, advice_id)


class AdviceUndoView(AdviceVerbView):
    """Undo."""

    verb = "undo"

    @extend_schema(request=None, responses=AdviceSerializer, operation_id="maintenance_advice_undo")
    def post(self, request: Request, advice_id: str) -> Response:
        """Show what was hidden, build what was dropped, drop what was created. 409 when it is gone."""
        return self.decide(request, advice_id)
