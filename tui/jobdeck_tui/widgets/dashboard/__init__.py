"""The main screen's panels of queues and workers."""
