"""Addresses of what needs no job."""

from django.urls import URLPattern, URLResolver, path

from exports.live import api, views

urlpatterns = [path("estimate/", views.export_estimate, name="estimate")]

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("messages/export", api.LiveExportView.as_view(), name="api-messages-export"),
    path("exports/estimate/", api.EstimateView.as_view(), name="api-export-estimate"),
]
