"""The details panes beside the lists, as styled lines."""
