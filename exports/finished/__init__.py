"""What happens to a finished export: links to its files, the log of downloads, how long they are kept."""
