"""Addresses: pages under /, API under /api/v1/."""

from django.urls import URLPattern, URLResolver

app_name = "browse"
urlpatterns: list[URLPattern | URLResolver] = []
api_urlpatterns: list[URLPattern | URLResolver] = []
