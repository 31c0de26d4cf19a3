"""The requests that a viewer can make of an experiment while it plays, each by a key of its own."""

from __future__ import annotations

from jobdeck import record


@record
class Wish:
    """Something that a viewer may ask for."""

    name: str
    """The word for it in the experiment: `kill`."""
    description: str
    """Its effect, in a sentence."""
