"""What people and programs do to jobs, queues and schedules, and how it is undone: the same code for every store.

Its SQL is what SQLite and PostgreSQL have in common, with `?`, `?1` or `:name` for values; the rest is done by a store's
`Backend`.
"""
