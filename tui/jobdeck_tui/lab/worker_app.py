"""The app of jobdeck's workers in the lab (`jobdeck --app … worker`); the cockpit never imports it."""

from __future__ import annotations

from jobdeck import REGISTRY

from .kinds import register

register(REGISTRY)
