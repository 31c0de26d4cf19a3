"""`jobdeck keys`."""

from __future__ import annotations

import json

import click

from .common import CliContext, Subcommand, print_error
from .output import print_json


@click.command(
    "keys",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck keys
  jobdeck keys > keys.toml          then delete the lines you do not change
  jobdeck keys --json | jq -r 'select(.changed) | .id'
""",
)
@click.pass_obj
def keys_command(front: CliContext) -> None:
    """Print every key of the cockpit as a keymap file.

    The cockpit reads keys.toml from your config folder. An action above the first [screen] applies to every
    screen that has it.
    """
    from ..app import Cockpit
    from ..keymap import FILE, actions, read_keymap, short_name
    from ..preferences import config_file

    file = config_file(FILE)
    keymap = read_keymap(file, Cockpit)
    for problem in keymap.problems:
        print_error(problem)
    scope = ""
    if not front.json:
        place = f"{FILE} in your config folder, as soon as you have one (HOME)" if file is None else file
        click.echo(f"# The keys of the jobdeck cockpit. Entries in\n# {place}\n# override these.")
    for action in actions(Cockpit):
        override = keymap.keys.get(action.id)
        keys = [short_name(key) for key in (override.split(",") if override else action.keys)]
        if front.json:
            print_json(
                {
                    "id": action.id,
                    "screen": action.scope,
                    "action": action.name,
                    "keys": keys,
                    "default": [short_name(key) for key in action.keys],
                    "changed": override is not None,
                    "description": action.description,
                }
            )
            continue
        if action.scope != scope:
            scope = action.scope
            click.echo(f"\n[{scope}]")
        shown = json.dumps(keys[0] if len(keys) == 1 else keys)
        click.echo(f"{action.name} = {shown}".ljust(40) + f"  # {action.description}")
