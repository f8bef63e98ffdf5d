"""A rotation in a process of its own that stops for good where it is told to, to be killed there:
``python -m tests.archive.rotation_child '{"url": …, "database": …, "job": …, "token": …, "stop": …}'``."""

import json
import sys
import threading

from archive import connection, rotation


def main(given: dict) -> int:
    connection.configure(given["url"], given["database"])

    def reached(point: str) -> None:
        print(point, flush=True)
        if point == given["stop"]:
            threading.Event().wait()

    for each in rotation.rotate(given["job"], given["token"], reached=reached):
        print(each.name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
