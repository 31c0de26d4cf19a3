"""The app of the worker that runs `computing` (`jobdeck --app … worker`); the cockpit never imports it."""

from __future__ import annotations

from jobdeck import REGISTRY

from .computing import register

register(REGISTRY)
