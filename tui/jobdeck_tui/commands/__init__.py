"""The subcommands, one noun per module. `jobdeck_tui.cli` lists them; nothing here imports a screen."""
