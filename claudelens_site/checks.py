"""System checks: each misconfiguration has an id, a sentence and a hint."""

import os
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def data_folder_is_writable(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """E001: everything that is kept on this machine lies in the data folder."""
    folder = settings.CLAUDELENS_DATA_DIR
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"The data folder {settings.CLAUDELENS_DATA_DIR} cannot be written.",
            hint="Set CLAUDELENS_DATA_DIR to a folder that this user may write.",
            id="claudelens.E001",
        )
    ]
