#!/usr/bin/env python
"""Run a management command, with the archive's servers up where the command needs them."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Hand the command line to Django."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "claudelens_site.settings")
    from django.core.management import execute_from_command_line

    from claudelens_site import dotenv, embedded

    dotenv.load()
    try:
        with embedded.servers_for_command(sys.argv):
            execute_from_command_line(sys.argv)
    except embedded.ServerStartError as error:
        sys.exit(f"{error}\n{error.hint}")


if __name__ == "__main__":
    main()
