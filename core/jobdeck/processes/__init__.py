"""Child processes that run handlers: the supervisor, the pool, isolation, and the protocol between them."""
