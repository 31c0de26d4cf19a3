"""The durable side of the queue: one interface, one folder a database."""
