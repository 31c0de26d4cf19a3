"""Throughput, latency and depth over time, kept in few rows."""
