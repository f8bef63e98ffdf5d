"""The app that takes files in."""

from django.apps import AppConfig


class ImportsConfig(AppConfig):
    """Uploads, import jobs and their pages."""

    name = "imports"
    verbose_name = "Imports"
    default_auto_field = "django.db.models.BigAutoField"
