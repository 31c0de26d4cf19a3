"""`python -m jobdeck_tui` is `jobdeck`."""

import os
import sys
from contextlib import suppress

if not sys.flags.safe_path:
    with suppress(OSError):  # Python adds no folder that was deleted
        os.getcwd()  # noqa: PTH109  # pathlib takes 5 ms to import, and this module must be the first
        del sys.path[0]  # the current folder: its modules must not shadow ours, and apps find it at the end of the path

from .cli import main

main()
