"""The ``.env`` file beside ``manage.py``: settings for those who do not want to export variables."""

from pathlib import Path

from environ import Env

PATH = Path(__file__).resolve().parent.parent / ".env"


def load() -> None:
    """Put the file's variables into the environment; what is set there already wins. Idempotent."""
    if PATH.is_file():
        Env.read_env(PATH)
