"""Addresses: pages under /maintenance/, API under /api/v1/."""

from django.urls import URLPattern, URLResolver

app_name = "maintenance"
urlpatterns: list[URLPattern | URLResolver] = []
api_urlpatterns: list[URLPattern | URLResolver] = []
