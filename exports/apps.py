"""The app that gives files back."""

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """Export jobs, their artifacts and pages."""

    name = "exports"
    verbose_name = "Exports"
    default_auto_field = "django.db.models.BigAutoField"
