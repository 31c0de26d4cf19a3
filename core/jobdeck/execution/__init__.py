"""One attempt of one job: the executor, its context, async handlers, shell commands, logs."""
