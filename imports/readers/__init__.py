"""From bytes to records: pure readers, one module for each source format."""
