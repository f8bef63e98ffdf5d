"""The Django app."""

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """Exports."""

    name = "exports"
    label = "exports"
    verbose_name = "Exports"
