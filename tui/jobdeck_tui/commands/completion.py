"""`jobdeck completion`."""

from __future__ import annotations

import click

from .common import Refused, Verb


@click.command(
    "completion",
    cls=Verb,
    json=False,
    epilog="""\b
Examples:
  eval "$(jobdeck completion bash)"                                   in ~/.bashrc
  eval "$(jobdeck completion zsh)"                                    in ~/.zshrc
  jobdeck completion fish > ~/.config/fish/completions/jobdeck.fish
""",
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options, kinds, queues and job ids in your shell."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise Refused(f"There is no completion for {shell}.")
    # bash would be started to ask for its version; which bash reads this is not ours to know.
    script = found(ctx.find_root().command, {}, "jobdeck", "_JOBDECK_COMPLETE")
    click.echo(script.source_template % script.source_vars())
