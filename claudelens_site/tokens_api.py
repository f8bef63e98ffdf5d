"""API tokens: made with a password or a session, shown once, listed and revoked by their owner."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework import serializers, status
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.generics import DestroyAPIView, ListCreateAPIView
from rest_framework.request import Request
from rest_framework.response import Response

# Basic comes first: its challenge is what makes an unauthenticated answer 401 and not 403.
AUTHENTICATION = [BasicAuthentication, TokenAuthentication, SessionAuthentication]


class TokenSerializer(serializers.ModelSerializer[AuthToken]):
    """A token as its owner sees it later: never the token itself."""

    id = serializers.CharField(source="digest", read_only=True)
    prefix = serializers.CharField(source="token_key", read_only=True)

    class Meta:
        model = AuthToken
        fields = ("id", "prefix", "created", "expiry")


class NewTokenSerializer(serializers.Serializer[Any]):
    """What may be asked of a new token."""

    days = serializers.IntegerField(default=90, min_value=1, max_value=3650)


class MadeTokenSerializer(TokenSerializer):
    """A token just made, with the only showing of what to send."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = ("id", "prefix", "created", "expiry", "token")  # type: ignore[assignment]


class TokenListView(ListCreateAPIView[AuthToken]):
    """List the caller's tokens, or make one."""

    authentication_classes = AUTHENTICATION
    serializer_class = TokenSerializer
    pagination_class = None

    def get_queryset(self) -> QuerySet[AuthToken]:
        """The caller's own tokens, newest first."""
        tokens: QuerySet[AuthToken] = AuthToken.objects.order_by("-created")
        return tokens.filter(user_id=self.request.user.pk)

    @extend_schema(request=NewTokenSerializer, responses={201: MadeTokenSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a token; its text is in this answer and never again."""
        asked = NewTokenSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        lifetime = timedelta(days=asked.validated_data["days"])
        made, text = AuthToken.objects.create(user=request.user, expiry=lifetime)
        return Response({**TokenSerializer(made).data, "token": text}, status=status.HTTP_201_CREATED)


class TokenView(DestroyAPIView[AuthToken]):
    """Revoke one of the caller's tokens."""

    authentication_classes = AUTHENTICATION
    serializer_class = TokenSerializer
    lookup_field = "digest"
    lookup_url_kwarg = "id"
    get_queryset = TokenListView.get_queryset


urlpatterns = [
    path("tokens/", TokenListView.as_view(), name="api-tokens"),
    path("tokens/<str:id>/", TokenView.as_view(), name="api-token"),
]
