"""Complete kinds, queues, job ids and filters in the shell. Complete nothing if the queue cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from .common import CliContext

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from jobdeck import Queue

_SHOWN = 50
_TERMS = (
    "state:", "queue:", "kind:", "name:", "tag:", "args.", "error:", "exception:", "place:", "reason:", "age<", "run>", "wait>",
    "priority>", "attempt>", "crashes>", "batch:", "unique:", "worker:",
)  # fmt: skip


def _items(pairs: Iterator[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from ..text.sanitize import safe

    found = []
    with _silence(), suppress(Exception):  # a message would garble the half-typed line
        for value, help in pairs:
            # Kinds and queues come from jobs; skip those that would break the shell's line.
            if value.startswith(incomplete) and value.isprintable() and " " not in value:
                found.append(CompletionItem(value, help=safe(help)))
    return found


@contextmanager
def _silence() -> Iterator[None]:
    """Log nothing inside."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _queue(ctx: click.Context) -> Queue:
    return ctx.ensure_object(CliContext).open(must_exist=True)


def complete_kinds(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the kinds that have jobs or workers.

    Imports no app: a key press in a folder must not run the code that lies in it.
    """

    def kinds() -> Iterator[tuple[str, str]]:
        from .output import count_of

        counts = Counter({"shell": 0})
        with suppress(Exception), _queue(ctx) as queue:
            counts.update({kind: 0 for worker in queue.workers() for kind in worker.kinds})
            for each in queue.queue_stats(seconds=60, slices=1):
                counts.update({kind: sum(states.values()) for kind, states in each.kinds.items()})
        for name, n in sorted(counts.items()):
            yield name, count_of(n) if n else ""

    return _items(kinds(), incomplete)


def complete_queues(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete queues, with their depth, pause and limits."""

    def queues() -> Iterator[tuple[str, str]]:
        from ..text.format import limits_text

        with _queue(ctx) as queue:
            for each in queue.queues():
                limited = limits_text(each.limits)
                parts = [f"{each.pending:,} pending", *["paused"] * each.paused, *[limited] * bool(limited)]
                yield each.name, ", ".join(parts)

    return _items(queues(), incomplete)


def complete_finals(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the last of several comma-separated final states."""
    from jobdeck import FINAL

    before, comma, _ = incomplete.rpartition(",")
    return _items(((f"{before}{comma}{state}", "") for state in sorted(FINAL)), incomplete)


def complete_schedules(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete schedules, with their cron expression and kind."""

    def schedules() -> Iterator[tuple[str, str]]:
        with _queue(ctx) as queue:
            for each in queue.schedules.list():
                yield each.name, f"{each.cron} {each.kind}{', paused' if each.paused else ''}"

    return _items(schedules(), incomplete)


def complete_zones(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the time zones that this machine knows."""
    from zoneinfo import available_timezones

    return _items(((zone, "") for zone in ["local", *sorted(available_timezones())]), incomplete)


def complete_topics(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Topics of the guide, with their summaries."""

    def topics() -> Iterator[tuple[str, str]]:
        from ..guide import read_pages

        for page in read_pages():
            yield page.topic, page.summary

    return _items(topics(), incomplete)


def complete_jobs(*states: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completer for the ids of the newest jobs in the given states, or in any state."""

    def jobs(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        def found() -> Iterator[tuple[str, str]]:
            with _queue(ctx) as queue:
                for job in queue.list(f"state:{','.join(states)}" if states else "", limit=_SHOWN):
                    yield str(job.id), f"{job.state} {job.kind}"

        return _items(found(), incomplete)

    return jobs


def complete_filter(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete filter fields, and the values of states, reasons, queues and kinds."""
    from jobdeck import Reason, State

    field, colon, _ = incomplete.partition(":")
    if not colon:
        return _items(((each, "") for each in _TERMS), incomplete)
    if field == "state":
        return _items(((f"state:{each}", "") for each in State), incomplete)
    if field == "reason":
        return _items(((f"reason:{each.replace(' ', '-')}", "") for each in Reason), incomplete)
    values = {"queue": complete_queues, "kind": complete_kinds}.get(field)
    if values is None:
        return []
    found = values(ctx, parameter, incomplete[len(field) + 1 :])
    return _items(((f"{field}:{item.value}", item.help or "") for item in found), incomplete)
