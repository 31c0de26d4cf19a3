"""The panels of queues and workers on the main screen."""
