"""One measured run in a process of its own: ``python -m benchmarks.child WAY '{"argument": …}'``.

A way is a function that gets ready (imports, connections, empty collections) and returns the function
that is measured. What it tells is printed as one JSON line.
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
    "artifact": "web_ways.artifact",
    "probe": "web_ways.probe",
}


def main() -> None:
    way, asked = sys.argv[1], json.loads(sys.argv[2])
    server_pid = asked.pop("server_pid")
    module, _, name = WAYS[way].partition(".")
    run = getattr(import_module(f"benchmarks.{module}"), name)(**asked)
    print(json.dumps(measured(run, server_pid)))


if __name__ == "__main__":
    main()
