"""An import, or its undoing, in a process of its own, to be killed:
``python -m tests.imports.import_child '{...}'``."""

import json
import sys
from collections.abc import Iterator

from archive import connection, undo
from archive.checkpoints import Fenced
from imports.pipeline import ImportOptions, Source, Step, import_batches

FENCED = 7


def main(given: dict) -> int:
    connection.configure(given["url"], given["database"])
    undo.MAX_DOCS = given["options"]["batch_docs"]
    try:
        for step in undo.undo_import(given["job"], given["token"]) if given["undo"] else steps_of(given):
            print(step, flush=True)
    except Fenced:
        return FENCED
    return 0


def steps_of(given: dict) -> Iterator[Step]:
    return import_batches(
        [Source(path) for path in given["paths"]],
        job_id=given["job"],
        token=given["token"],
        options=ImportOptions(**given["options"]),
        log=lambda level, text: print(level, text, flush=True),
    )


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
