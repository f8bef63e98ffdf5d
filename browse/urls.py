"""Addresses: the pages at the root, the API under /api/v1/."""

from django.urls import URLPattern, URLResolver, path, register_converter

from browse import api, views
from browse.converters import MessageIdConverter, SessionIdConverter

register_converter(SessionIdConverter, "session_id")
register_converter(MessageIdConverter, "message_id")

app_name = "browse"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("sessions/", views.session_list, name="session_list"),
    path("sessions/<session_id:session_id>/", views.session_detail, name="session_detail"),
    path("artifacts/<session_id:session_id>/", views.artifact, name="artifact"),
    path("messages/<message_id:hex_id>/", views.message_detail, name="message_detail"),
    path("messages/<message_id:hex_id>/raw/", views.message_raw, name="message_raw"),
    path(
        "messages/<message_id:hex_id>/images/<int:number>/",
        views.message_image,
        name="message_image",
    ),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/", api.ProjectList.as_view(), name="api-project-list"),
    path("sessions/", api.SessionList.as_view(), name="api-session-list"),
    path(
        "sessions/<session_id:session_id>/messages/",
        api.SessionMessages.as_view(),
        name="api-session-messages",
    ),
    path("sessions/<session_id:session_id>/", api.SessionDetail.as_view(), name="api-session"),
    path("messages/<str:hex_id>/", api.MessageDetail.as_view(), name="api-message"),
]
