"""The life of a background job, written once: claim, run, progress, cancel, re-send, show."""
