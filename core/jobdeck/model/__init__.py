"""Records, states and pure rules; nothing here reads a clock, a file or a database."""
