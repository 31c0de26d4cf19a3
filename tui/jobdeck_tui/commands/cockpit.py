"""Opening the cockpit. Textual is imported here and nowhere else on the command line's side."""

from __future__ import annotations

import sys

from .front import Front, Refused


def open_cockpit(front: Front, *, demo: bool = False) -> None:
    """Run the cockpit until it is quit, and exit with its exit code."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # it is drawn on the last
        raise Refused("The cockpit needs a terminal; `jobdeck --help` lists the commands that do without.")
    settings = front.settings
    if not demo:
        front.load_kinds()
    from ..app import run_cockpit

    sys.exit(run_cockpit(settings, threads=front.threads, readonly=front.readonly, demo=demo))
