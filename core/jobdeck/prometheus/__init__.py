"""The metrics of a queue for Prometheus, from the counters that the queue keeps: nothing is counted when they are read.

The library is the extra `metrics`; without it, only `collector` can be imported.
"""
