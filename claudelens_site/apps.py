"""The site as a Django app: it connects the archive, registers checks and the signals."""

from django.apps import AppConfig
from django.conf import settings


class SiteConfig(AppConfig):
    """Wires the packages together once Django is ready."""

    name = "claudelens_site"
    label = "claudelens_site"
    verbose_name = "ClaudeLens"

    def ready(self) -> None:
        """Tell the archive where its server is (nothing connects yet), register the checks."""
        from archive import connection, query_listener

        # Importing them registers the checks, and makes our Celery app the one of every task.
        from claudelens_site import celery, checks  # noqa: F401

        query_listener.configure(settings.CLAUDELENS_QUERY_SAMPLE_PERCENT / 100)
        connection.configure(
            settings.MONGODB_URL,
            settings.MONGODB_DATABASE,
            minPoolSize=settings.CLAUDELENS_MONGODB_POOL_MIN,
            maxPoolSize=settings.CLAUDELENS_MONGODB_POOL_MAX,
        )
        # Reading the prices sets them; what cannot be read is told by the check, E008.
        list(checks.prices())
