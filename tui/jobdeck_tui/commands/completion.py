"""`jobdeck completion`."""

from __future__ import annotations

import click

from .common import CommandError, Subcommand


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
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options, kinds, queues and job ids in your shell."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise CommandError(f"Completion is not available for {shell}; choose bash, zsh or fish.")
    # get_completion_class would start bash to check its version, but another bash may read the script.
    script = found(ctx.find_root().command, {}, "jobdeck", "_JOBDECK_COMPLETE")
    click.echo(script.source_template % script.source_vars())
