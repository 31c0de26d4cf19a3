"""The workload of `jobdeck demo`, on a temporary queue."""
