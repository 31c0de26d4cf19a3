"""Concurrency experiments on scratch queues: real workers, real faults, and verdicts counted from what they left behind."""
