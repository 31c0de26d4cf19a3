"""`jobdeck events`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import click

from jobdeck import Event, State

from ..feed.queries.events import EventBuffer
from ..text.event_format import EVENT_STYLES, EventFilter, format_details
from ..text.format import COLORS
from ..text.sanitize import pad, safe
from .common import CliContext, Subcommand
from .json_documents import event_document
from .output import columns, dim, on_terminal, print_json
from .param_types import WholeNumber

_READ = 10_000
"""The number of events read at first; the filter applies to these."""
_EVERY = 0.25
_KIND = 18


@click.command(
    "events",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck events
  jobdeck events -f failures           follow failures
  jobdeck events operations            show operations and undos
  jobdeck events kind:mail --limit 200
  jobdeck events -f --json | jq -r 'select(.event == "failed").text'

\b
The filter: event types (any may match), and words (all must match).
  enqueued started completed failed retrying crashed expired cancelled snoozed released late
  operation undone
  failures (failed retrying crashed expired late)   operations (operation undone)
  kind: queue: id: worker: actor:
""",
)
@click.argument("filter", nargs=-1)
@click.option("-f", "--follow", "following", is_flag=True, help="Follow new events until interrupted.")
@click.option(
    "--limit", type=WholeNumber(1, _READ), default=50, show_default=True, metavar="N", help="Maximum number of past events."
)
@click.pass_obj
def events_command(front: CliContext, filter: Sequence[str], following: bool, limit: int) -> None:
    """Show what happened to jobs, and what people did, newest last.

    Events are derived from the jobs, their attempts and the journal, so they disappear with the job.
    """
    wanted = EventFilter.read(" ".join(filter))
    memory = EventBuffer(kept=_READ, first=_READ)
    printed: set[str] = set()
    with front.read() as queue:
        while True:
            seen = memory.read(queue, wanted)
            new = [event for event in seen.events if event.key not in printed]
            if not printed:
                new = new[-limit:]
            _print(front, new)
            # Events beyond the limit count as printed, so that following never shows them.
            printed = {event.key for event in seen.events}
            if not following:
                if not new and not front.json and on_terminal():
                    click.echo("No events match the filter." if filter else "No events yet; -f waits for them.")
                return
            time.sleep(_EVERY)


def _print(front: CliContext, events: Iterable[Event]) -> None:
    for event in events:
        if front.json:
            print_json(event_document(event))
        else:
            click.echo(_format(event))


def _format(event: Event) -> str:
    """Format an event as one line: colored and cut to the width of a terminal, in full elsewhere."""
    then = time.localtime(event.at)
    clock = time.strftime("%Y-%m-%d %H:%M:%S", then)
    what = f"{event.type.value:<9}"
    meaning = EVENT_STYLES[event.type][1]
    if meaning in set(State):
        what = click.style(what, fg=COLORS[State(meaning)])
    job = "" if event.job_id is None else f"#{event.job_id}"
    kind = pad(safe(event.kind), _KIND) if on_terminal() else f"{safe(event.kind):<{_KIND}}"
    text = format_details(event)
    size = columns()
    if size is not None:
        text = pad(text, max(0, size - 19 - 9 - 9 - _KIND - 8)).rstrip()
    return f"{dim(clock)}  {what}  {job:>9}  {kind}  {text}".rstrip()
