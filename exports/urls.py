"""Addresses: pages under /exports/, API under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from exports import api, views

app_name = "exports"

urlpatterns = [
    path("", views.export_list, name="list"),
    path("new/", views.export_new, name="new"),
    path("<uuid:job_id>/", views.export_detail, name="detail"),
    path("<uuid:job_id>/download/", views.export_download, name="download"),
    path("<uuid:job_id>/cancel/", views.export_cancel, name="cancel"),
    path("<uuid:job_id>/retry/", views.export_retry, name="retry"),
]

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("export-formats/", api.FormatListView.as_view(), name="api-export-formats"),
    *api.router.urls,
]
