"""All calls by name."""

from __future__ import annotations

from . import changing, reading, scheduling
from .call import CALLS as CALLS

MODULES = (reading, changing, scheduling)
"""Their import has filled `CALLS`."""
