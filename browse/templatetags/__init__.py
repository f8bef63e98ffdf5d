"""How numbers and times are worded on the pages."""
