"""Opening the cockpit on a queue: what a person wishes of it, what surrounds it while it is open, how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class NoFrame(RuntimeError):
    """There is nothing to show; says why in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame instead of a session."""

    size: tuple[int, int]
    room: str = ""
    picture: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a person wants the cockpit, as far as it was said."""

    threads: int | None = None
    readonly: bool = False
    demo: bool = False
    scheme: str | None = None
    ascii_only: bool = False
    frame: Frame | None = None
