"""Kinds of jobs: the registry, argument validation, job options and retry policies."""
