"""The table of jobs, and the lists that work like it."""
