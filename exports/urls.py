"""Addresses: pages under /exports/, API under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from exports import api, views
from exports.finished import urls as finished
from exports.live import urls as live
from exports.recurring import urls as recurring

app_name = "exports"

urlpatterns = [
    path("", views.export_list, name="list"),
    path("new/", views.export_new, name="new"),
    path("<uuid:job_id>/", views.export_detail, name="detail"),
    path("<uuid:job_id>/download/", views.export_download, name="download"),
    path("<uuid:job_id>/cancel/", views.export_cancel, name="cancel"),
    path("<uuid:job_id>/retry/", views.export_retry, name="retry"),
    *live.urlpatterns,
    *finished.urlpatterns,
    *recurring.urlpatterns,
]

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("export-formats/", api.FormatListView.as_view(), name="api-export-formats"),
    *live.api_urlpatterns,
    *api.router.urls,
    *finished.api_urlpatterns,
    *recurring.api_urlpatterns,
]
