"""The timeline: runs as bars over time."""
