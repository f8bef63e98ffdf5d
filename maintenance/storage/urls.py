"""Addresses of storage: the page under /maintenance/, the report under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from maintenance.storage import api, views

urlpatterns: list[URLPattern | URLResolver] = [path("storage/", views.storage, name="storage")]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("maintenance/storage/", api.StorageView.as_view(), name="api-storage"),
]
