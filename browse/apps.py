"""The Django app."""

from django.apps import AppConfig


class BrowseConfig(AppConfig):
    """Conversations."""

    name = "browse"
    label = "browse"
    verbose_name = "Conversations"
