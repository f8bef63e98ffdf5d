"""How fast and how lean the product is, measured beside the plain ways in the same run.

``python -m benchmarks`` (``make bench``) runs the set; docs/benchmarks.md tells what is measured and how.
"""

import archive  # noqa: F401  before anything else loads the driver: as the product does
