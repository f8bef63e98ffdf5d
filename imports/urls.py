"""Addresses: pages under /imports/, API under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from imports import api, views

app_name = "imports"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.import_list, name="list"),
    path("new/", views.import_new, name="new"),
    path("<uuid:job_id>/", views.import_detail, name="detail"),
    path("<uuid:job_id>/cancel/", views.import_cancel, name="cancel"),
    path("<uuid:job_id>/retry/", views.import_retry, name="retry"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("uploads/", api.UploadListView.as_view(), name="api-upload-list"),
    path("uploads/<uuid:upload_id>/", api.UploadView.as_view(), name="api-upload-detail"),
    *api.router.urls,
]
