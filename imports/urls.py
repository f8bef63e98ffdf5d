"""Addresses: pages under /imports/, API under /api/v1/."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from imports import api, views

app_name = "imports"
