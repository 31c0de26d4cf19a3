"""Records, states and pure rules. Nothing in this package reads a clock or a database."""
