"""The archive itself: plain Python over pymongo, with no web framework in it."""

import sys

# Where PyOpenSSL is at hand (the web server brings it along), the driver loads it with cryptography and
# requests: 15 MB and a tenth of a second for each process, to ask whether a server's certificate was revoked
# (OCSP). Without it the driver takes Python's own ssl, as wherever PyOpenSSL is not installed.
sys.modules["pymongo.pyopenssl_context"] = None  # type: ignore[assignment]
