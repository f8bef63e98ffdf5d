"""Synthetic transcripts, made by hand for these tests."""
