"""What a viewer may ask of an experiment while it plays, by a key of its own."""

from __future__ import annotations

from jobdeck import record


@record
class Wish:
    """Something that a viewer may ask for."""

    name: str
    """What the experiment takes: `kill`."""
    description: str
    """What it does, in a sentence."""
