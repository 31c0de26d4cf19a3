"""The details panes beside the lists."""
