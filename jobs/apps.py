"""The jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Job rows, their runner and their live progress."""

    name = "jobs"
    verbose_name = "Jobs"
    default_auto_field = "django.db.models.BigAutoField"
