"""Periodic jobs: schedules, and the ticker that enqueues their jobs."""
