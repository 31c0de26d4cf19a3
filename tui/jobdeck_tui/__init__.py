"""The terminal front of jobdeck: the command line and the cockpit."""
