"""Charts, drawn line by line."""
