"""The Django app."""

from django.apps import AppConfig


class MaintenanceConfig(AppConfig):
    """Maintenance."""

    name = "maintenance"
    label = "maintenance"
    verbose_name = "Maintenance"
