"""`python -m jobdeck_tui` is `jobdeck`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the current folder: its modules must not shadow ours, and apps find it at the end of the path

from .cli import main

main()
