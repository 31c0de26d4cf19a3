"""Complete kinds, queues, job ids and filters in the shell. Complete nothing if the queue cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING

import click

from .common import CliContext
from .path_completers import complete_files

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from jobdeck import Queue

_SHOWN = 50
_SHELL_ARGUMENTS = ("command", "shell", "cwd", "env")


def _items(pairs: Iterator[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from ..text.sanitize import safe

    found = []
    with _silence(), suppress(Exception):  # a message would garble the half-typed line
        for value, help in pairs:
            if value.startswith(incomplete):  # `shells` quotes what the shell would execute
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


def _queue(ctx: click.Context) -> AbstractContextManager[Queue]:
    return ctx.ensure_object(CliContext).read(notice=False)


def complete_kinds(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the kinds that have jobs or workers, and those that the source of the apps defines.

    Imports no app: a key press in a folder must not run the code that lies in it.
    """
    from .app_source import read_kinds

    def kinds() -> Iterator[tuple[str, str]]:
        from .output import count_of

        counts = Counter({"shell": 0})
        with suppress(Exception):
            counts.update(dict.fromkeys(read_kinds(ctx.ensure_object(CliContext).settings.app), 0))
        with suppress(Exception), _queue(ctx) as queue:
            counts.update({kind: 0 for worker in queue.workers.list() for kind in worker.kinds})
            for each in queue.queue_stats(seconds=60, slices=1):
                counts.update({kind: sum(states.values()) for kind, states in each.kinds.items()})
        for name, n in sorted(counts.items()):
            yield name, count_of(n) if n else ""

    return _items(kinds(), incomplete)


def complete_queues(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete queues, with their depth, pause and limits; the last one, if the option takes several."""
    before = incomplete[: incomplete.rfind(",") + 1] if parameter.name == "queues" else ""

    def queues() -> Iterator[tuple[str, str]]:
        from ..text.format import limits_text

        with _queue(ctx) as queue:
            for each in queue.queues():
                limited = limits_text(each.limits)
                parts = [f"{each.pending:,} pending", *["paused"] * each.paused, *[limited] * bool(limited)]
                yield before + each.name, ", ".join(parts)

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


def complete_experiments(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Experiments of the lab, with what they show."""

    def experiments() -> Iterator[tuple[str, str]]:
        from ..lab.catalog import EXPERIMENTS

        yield "list", "List the experiments"
        yield "notes", "Speaker notes of the tour"
        for each in EXPERIMENTS.values():
            yield each.name, each.claim

    return _items(experiments(), incomplete)


def complete_jobs(*states: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completer for the ids of the newest jobs in the given states, or in any state."""

    def jobs(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        def found() -> Iterator[tuple[str, str]]:
            with _queue(ctx) as queue:
                for job in queue.list(f"state:{','.join(states)}" if states else "", limit=_SHOWN):
                    yield str(job.id), f"{job.state} {job.kind}"

        return _items(found(), incomplete)

    return jobs


def complete_filter(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the last term of a filter: fields, and values from the newest jobs and all queues and kinds."""
    from ..feed.filter_completion import Vocabulary, fields, sample, suggest

    def filters() -> Iterator[tuple[str, str]]:
        words = Vocabulary()
        with suppress(Exception), _queue(ctx) as queue:
            kinds = {kind for each in queue.queue_stats(seconds=60, slices=1) for kind in each.kinds}
            words = sample(queue).also(queue=[each.name for each in queue.queues()], kind=sorted(kinds))
        at = len(incomplete)
        offered = suggest(incomplete, at, words, limit=_SHOWN) if incomplete[-1:].strip(" -") else fields(words)
        before = incomplete[: offered.begin] if offered.begin or incomplete[-1:].strip() else incomplete
        for each in offered.items:
            text = before + each.text
            plain = text.replace('"', "")
            if not text.startswith(incomplete) and '"' not in incomplete and plain.startswith(incomplete):
                text = f'{incomplete}"{plain[at:]}"'  # the quotation mark may stand anywhere in a value
            yield text, each.hint

    return _items(filters(), incomplete)


def _kind(ctx: click.Context) -> str | None:
    """Return the kind that the command line names, or that of its job or schedule."""
    if isinstance(kind := ctx.params.get("kind"), str):
        return kind
    with _silence(), suppress(Exception), _queue(ctx) as queue:
        if (job_id := ctx.params.get("job_id")) is not None:
            return queue.get(job_id).kind
        return queue.schedules.get(ctx.params["name"]).kind
    return None


def complete_pairs(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the arguments of the kind as `name=`, and after it the values that its type lists, or files.

    They come from the source of the apps, which is read but not run, and from the kind's newest jobs.
    """
    from .app_source import read_kinds

    name, equals, _ = incomplete.partition("=")
    known: dict[str, Sequence[str]] = {}
    if (kind := _kind(ctx)) is not None:
        with _silence(), suppress(Exception):
            known.update({each: () for each in _SHELL_ARGUMENTS if kind == "shell"})
            known.update(read_kinds(ctx.ensure_object(CliContext).settings.app).get(kind, {}))
        with _silence(), suppress(Exception), _queue(ctx) as queue:
            for job in queue.list(f'kind:"{kind}"', limit=_SHOWN):
                known.update({each: () for each in job.args if each not in known} if isinstance(job.args, dict) else {})
    if equals:
        values = known.get(name, ())
        return (
            _items(((f"{name}={value}", "") for value in values), incomplete) if values else complete_files(ctx, _parameter, "")
        )
    given = {str(pair).partition("=")[0] for pair in ctx.params.get("pairs") or ()}
    return _items(((f"{each}=", "") for each in known if each not in given), incomplete)
