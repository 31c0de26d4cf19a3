"""`jobdeck events`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import click

from jobdeck import Event, State

from ..feed.queries.events import Memory
from ..text.event_format import LOOKS, EventFilter, details
from ..text.format import COLOURS
from ..text.sanitize import pad, safe
from .common import Front, Verb
from .json_documents import event_document
from .output import columns, dim, on_terminal, print_json

_READ = 10_000
"""Events that are read at first: a filter of words finds what it looks for among them."""
_EVERY = 0.25
_KIND = 18


@click.command(
    "events",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck events
  jobdeck events -f failures           follow what goes wrong
  jobdeck events acts                  what people did, and took back
  jobdeck events kind:mail --limit 200
  jobdeck events -f --json | jq -r 'select(.event == "failed").text'

\b
The filter: sorts of events (any of them), and words (all of them).
  enqueued started completed failed retrying crashed expired cancelled snoozed released late act undone
  failures (failed retrying crashed expired late)   acts (act undone)   kind: queue: id: worker: who:
""",
)
@click.argument("filter", nargs=-1)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until it is interrupted.")
@click.option(
    "--limit", type=click.IntRange(1, _READ), default=50, show_default=True, metavar="N", help="At most so many at first."
)
@click.pass_obj
def events_command(front: Front, filter: Sequence[str], following: bool, limit: int) -> None:
    """Tell what happened to jobs and what people did, the newest last.

    Events are made from the jobs, their attempts and the journal, so they are told as long as the job is there.
    """
    wanted = EventFilter.read(" ".join(filter))
    memory = Memory(kept=_READ, first=_READ)
    printed: set[str] = set()
    with front.open(must_exist=True) as queue:
        while True:
            seen = memory.read(queue, wanted)
            news = [event for event in seen.events if event.key not in printed]
            if not printed:
                news = news[-limit:]
            _print(front, news)
            # What was left out at first stays left out.
            printed = {event.key for event in seen.events}
            if not following:
                if not news and not front.json and on_terminal():
                    click.echo("No event matches." if filter else "Nothing has happened yet; -f waits for it.")
                return
            time.sleep(_EVERY)


def _print(front: Front, events: Iterable[Event]) -> None:
    for event in events:
        if front.json:
            print_json(event_document(event))
        else:
            click.echo(_line(event))


def _line(event: Event) -> str:
    """One event on one line: coloured, and cut where a terminal ends; in full where a program reads it."""
    then = time.localtime(event.at)
    clock = time.strftime("%Y-%m-%d %H:%M:%S", then)
    what = f"{event.what.value:<9}"
    meaning = LOOKS[event.what][1]
    if meaning in set(State):
        what = click.style(what, fg=COLOURS[State(meaning)])
    job = "" if event.job_id is None else f"#{event.job_id}"
    kind = pad(safe(event.kind), _KIND) if on_terminal() else f"{safe(event.kind):<{_KIND}}"
    told = details(event)
    room = columns()
    if room is not None:
        told = pad(told, max(0, room - 19 - 9 - 9 - _KIND - 8)).rstrip()
    return f"{dim(clock)}  {what}  {job:>9}  {kind}  {told}".rstrip()
