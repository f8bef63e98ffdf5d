"""The storage page and its figures."""
