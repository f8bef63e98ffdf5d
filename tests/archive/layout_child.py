"""An action of a migration in a process of its own, to be killed:
``python -m tests.archive.layout_child '{...}'``."""

import json
import sys

from archive import connection, layout_work, layouts


def main(given: dict) -> int:
    connection.configure(given["url"], given["database"])
    work = {"backfill": layout_work.backfill, "finish": layout_work.finish, "roll-back": layout_work.roll_back}
    held = layouts.take(layouts.require(given["action"]), given["job"], given["token"])
    print("held", flush=True)
    for done in work[given["action"]](held):
        print(done.records, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
