"""The HTTP API: an optional face of the queue, on `Queue` alone.

Its framework is the extra `http`; without it, only `tokens` and `server` can be imported.
"""
