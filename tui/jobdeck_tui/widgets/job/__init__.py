"""The panels of a job's screen."""
