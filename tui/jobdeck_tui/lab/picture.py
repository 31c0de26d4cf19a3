"""The live picture of an experiment, as immutable data: what a screen draws, and a test compares.

A picture has one part for each lane. It is made from what the processes left behind: the ledger and the committed rows.
"""

from __future__ import annotations

from enum import StrEnum

from jobdeck import record

WAITING, RUNNING, DONE, TWICE, ORPHANED, LOST = ".>#!ox"
"""The letters of jobs in `Cells`: an orphaned job is marked as running, and its worker is dead."""


class Mood(StrEnum):
    """The look of a thing; a screen gives it a color."""

    GOOD = "good"
    BAD = "error"
    WARN = "warning"
    CALM = "quiet"
    PLAIN = ""
    ACCENT = "accent"


@record
class Cells:
    """Jobs, each a cell."""

    states: str
    """A letter for each job."""


@record
class PictureRow:
    """One line: a mark, words, and a bar."""

    mark: str
    text: str
    mood: Mood = Mood.PLAIN
    bar: float | None = None
    """The filled share of the bar, from 0 to 1; `None` if the row has none."""
    note: str = ""
    """Words at the right."""


@record
class PictureRows:
    """Lines, the newest last."""

    rows: tuple[PictureRow, ...]


@record
class Columns:
    """A chart of columns."""

    values: tuple[float, ...]
    moods: tuple[Mood, ...]
    """The color of each column."""
    unit: str
    """The words for the highest value: `calls in 0.1 s`."""
    labels: tuple[str, str]
    """The words below the left and the right end."""
    top: float = 0.0
    """The value at the top; the highest one if it is greater."""
    line: tuple[float | None, ...] = ()
    """A second series, drawn as points."""


Part = Cells | PictureRows | Columns


@record
class LanePicture:
    """One lane."""

    name: str
    what: str
    """Its way of working, in a few words."""
    number: str
    """The number that counts, in large digits."""
    label: str
    """The words for it."""
    mood: Mood
    parts: tuple[Part, ...] = ()
    caption: str = ""
    """A line about what happens."""
    is_active: bool = False
    """`True` while the experiment plays in this lane."""


@record
class Picture:
    """All lanes, from left to right."""

    lanes: tuple[LanePicture, ...]
