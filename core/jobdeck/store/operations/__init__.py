"""What people do to the queue, and how it is undone: one body of code for every store.

Its SQL is what SQLite and PostgreSQL have in common, with `?`, `?1` or `:name` for values; what they have not, a store's
own `House` does.
"""
