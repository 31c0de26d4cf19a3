"""The HTTP API: an optional face of the queue, on `Queue` alone. Only `tokens` is imported without the extra `http`."""
