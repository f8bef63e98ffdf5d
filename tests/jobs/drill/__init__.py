"""A kind of job for the tests of jobs: it counts, and misbehaves on request."""
