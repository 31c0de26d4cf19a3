"""`python -m jobdeck_tui` is `jobdeck`."""

from .cli import main

main()
