"""The subcommands, one noun a module. `jobdeck_tui.cli` names them; nothing here imports a screen."""
