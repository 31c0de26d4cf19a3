"""The options that start the cockpit; shared by `launch`, `session` and `frame_capture`."""

from __future__ import annotations

from pathlib import Path

from jobdeck import record


class FrameUnavailable(RuntimeError):
    """Nothing can be shown; the message says why in one sentence."""


@record(kw_only=True)
class FrameOptions:
    """Options to capture one frame instead of running a session."""

    size: tuple[int, int]
    """Columns and lines."""
    screen: str = ""
    """The screen to show; the main one if empty."""
    picture: Path | None = None
    """The file to save an SVG screenshot to."""


@record(kw_only=True)
class LaunchOptions:
    """The options given on the command line; `None` and `False` mean not given."""

    threads: int | None = None
    readonly: bool = False
    demo: bool = False
    tour: str = ""
    """The tour of the demo that opens at once; none if empty."""
    scheme: str | None = None
    ascii_only: bool = False
    frame: FrameOptions | None = None
