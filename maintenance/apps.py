"""The Django app."""

from django.apps import AppConfig


class MaintenanceConfig(AppConfig):
    """Maintenance."""

    name = "maintenance"
    label = "maintenance"
    verbose_name = "Maintenance"

    def ready(self) -> None:
        """Tell the archive where frozen messages are kept; nothing is opened yet."""
        from archive import object_store
        from maintenance import frozen_store

        object_store.configure(frozen_store.open_store)
