"""What can be enqueued: kinds, their arguments, options and retry policy."""
