"""`jobdeck guide`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from ..terminal.screen_size import draws_screens
from .common import CliContext, CommandError, Subcommand
from .completers import complete_topics
from .output import dim, on_terminal, print_json

if TYPE_CHECKING:
    from ..guide import Page


@click.command(
    "guide",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck guide                     list the topics
  jobdeck guide retries
  jobdeck guide settings | less
  jobdeck guide --json | jq -r .topic
""",
)
@click.argument("topic", required=False, shell_complete=complete_topics)
@click.pass_obj
def guide_command(front: CliContext, topic: str | None) -> int:
    """Read the guide: list its topics, or open one.

    On a terminal the page opens in a viewer with its table of contents. When the output is redirected, the page is
    printed as Markdown.
    """
    from ..guide import read_page, read_pages, suggest_topics

    if topic is None:
        _list(front, read_pages())
        return 0
    try:
        page = read_page(topic)
    except KeyError:
        near = suggest_topics(topic)
        hint = f"did you mean {' or '.join(near)}?" if near else "`jobdeck guide` lists the topics."
        raise CommandError(f"The guide has no topic {topic!r}; {hint}") from None
    if front.json:
        print_json(_document(page))
    elif on_terminal() and sys.stdin.isatty() and draws_screens(os.environ):
        from ..guide_app import open_guide

        try:
            return open_guide(topic, scheme=front.theme, ascii_only=front.ascii)
        except ValueError as wrong:
            raise click.UsageError(str(wrong)) from None
    else:
        click.echo(page.text.rstrip("\n"))
    return 0


def _list(front: CliContext, pages: list[Page]) -> None:
    width = max(len(page.topic) for page in pages)
    for page in pages:
        if front.json:
            print_json(_document(page))
        else:
            click.echo(f"{click.style(f'{page.topic:<{width}}', bold=True)}  {page.summary}")
    if not front.json and on_terminal():
        click.echo(dim("\n`jobdeck guide TOPIC` opens a page; in the cockpit, F1 opens the guide."))


def _document(page: Page) -> dict[str, str]:
    return {"topic": page.topic, "title": page.title, "summary": page.summary, "text": page.text}
