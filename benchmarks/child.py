"""One measured run in a process of its own: ``python -m benchmarks.child WAY '{"argument": …}'``.

A way is a function that gets ready (imports, connections, empty collections) and returns the function
that is measured. What it tells is printed as one JSON line. With ``"waits": true`` it says that it is ready
and begins when a line comes in: many can begin at the same moment.
"""

import json
import sys
from importlib import import_module

from benchmarks.measure import measured

WAYS = {
    "import": "import_ways.product",
    "import plain": "import_ways.plain",
    "import limit": "import_ways.limit",
    "export": "export_ways.product",
    "export bare": "export_ways.bare",
    "export plain json": "export_ways.plain_json",
    "export plain jsonl": "export_ways.plain_jsonl",
    "export plain csv": "export_ways.plain_csv",
    "storage split": "storage_ways.split",
    "storage plain": "storage_ways.plain",
    "storage limit": "storage_ways.limit",
    "storage move": "storage_ways.move",
    "storage verify": "storage_ways.verify",
    "storage pages": "storage_ways.pages",
    "storage aggregates": "storage_ways.aggregates",
    "artifact": "web_ways.artifact",
    "probe": "web_ways.probe",
}
READY = "ready"


def main() -> None:
    way, asked = sys.argv[1], json.loads(sys.argv[2])
    server_pid, waits = asked.pop("server_pid"), asked.pop("waits", False)
    module, _, name = WAYS[way].partition(".")
    run = getattr(import_module(f"benchmarks.{module}"), name)(**asked)
    if waits:
        print(READY, flush=True)
        sys.stdin.readline()
    print(json.dumps(measured(run, server_pid)))


if __name__ == "__main__":
    main()
