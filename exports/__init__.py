"""Archive -> files: the formats, the jobs that build them, and their downloads."""
