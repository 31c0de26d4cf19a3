"""`jobdeck completion`."""

from __future__ import annotations

import click

from .common import Subcommand


@click.command(
    "completion",
    cls=Subcommand,
    json=False,
    epilog="""\b
Examples:
  eval "$(jobdeck completion bash)"                                   add to ~/.bashrc
  eval "$(jobdeck completion zsh)"                                    add to ~/.zshrc
  jobdeck completion fish > ~/.config/fish/completions/jobdeck.fish
""",
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion_command(shell: str) -> None:
    """Print a script that completes commands, options, kinds, queues and job ids in your shell."""
    from .shells.answer import script

    click.echo(script(shell), nl=False)
