"""The documents that the API returns, made from records. Their members have the names that the commands print with `--json`."""
