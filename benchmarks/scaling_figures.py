"""What one message costs, measured on 50 MB: ``python -m benchmarks.scaling_figures`` keeps it."""

import json
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks import corpora

FIGURES = Path(__file__).with_name("measured.json")
COMMAND = "python -m benchmarks.scaling_figures"
SIZE = 50_000_000
BATCH = 1000


def sizes_of_sessions(path):
    """How many messages each conversation has, smallest first."""
    with path.open("rb") as lines:
        return sorted(Counter(json.loads(line)["sessionId"] for line in lines).values())


def measure(original):
    """Import it, give every message a row of keys, and tell the bytes of one message."""
    from archive import connection
    from archive.collections import KEYS, MESSAGES
    from archive.indexes import ensure_indexes
    from archive.keys import key_row
    from claudelens_site import embedded
    from imports.pipeline import ImportOptions, Source, import_batches

    with tempfile.TemporaryDirectory() as folder:
        servers = embedded.ensure_running(Path(folder))
        try:
            connection.configure(servers.mongodb_url, "bench_scaling")
            ensure_indexes()
            source = [Source(str(original.path))]
            options = ImportOptions()
            for _ in import_batches(
                source, job_id="bench", token=1, options=options, log=lambda level, text: None
            ):
                pass
            database = connection.database()
            rows = [key_row(each, 2500, 1) for each in database[MESSAGES].find({}, {"record": 0, "text": 0})]
            for start in range(0, len(rows), BATCH):
                database[KEYS].insert_many(rows[start : start + BATCH])
            for name in (MESSAGES, KEYS):
                database[name].create_index([("sessionId", "hashed")])
            database.client.admin.command("fsync")
            return {name: database.command("collStats", name) for name in (MESSAGES, KEYS)}
        finally:
            servers.stop()


def main():
    original = corpora.corpus(SIZE)
    found = measure(original)
    told = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name, label in (("messages_current", "hot"), ("message_keys", "keys")):
        stats = found[name]
        for what, value in (("Bson", "size"), ("Disk", "storageSize"), ("Index", "totalIndexSize")):
            told[label + what] = {"value": round(stats[value] / stats["count"]), "command": COMMAND}
    told["sessionSizes"] = {"value": sizes_of_sessions(original.path), "command": COMMAND}
    FIGURES.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
