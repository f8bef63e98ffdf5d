"""An import in a process of its own, to be killed: ``python -m tests.imports.import_child '{...}'``."""

import json
import sys

from archive import connection
from archive.checkpoints import Fenced
from imports.pipeline import ImportOptions, Source, import_batches

FENCED = 7


def main(given: dict) -> int:
    connection.configure(given["url"], given["database"])
    steps = import_batches(
        [Source(path) for path in given["paths"]],
        job_id=given["job"],
        token=given["token"],
        options=ImportOptions(**given["options"]),
        log=lambda level, text: print(level, text, flush=True),
    )
    try:
        for step in steps:
            print(step.counts, flush=True)
    except Fenced:
        return FENCED
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
