"""The details of a queue: its forecast, limits, workers, pace and jobs. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from jobdeck import Forecast, QueueStats, State, Trend

from ...text.format import GLYPHS, age, duration, number, rough_duration, rough_rate
from ...text.limits import explain_limits
from ...text.sanitize import safe
from .job_details import StyledLine

OUTLOOK_MEANING = {
    Trend.EMPTY: "quiet",
    Trend.KEEPS_UP: "good",
    Trend.DRAINING: "accent",
    Trend.STEADY: "",
    Trend.GROWING: "warning",
    Trend.PAUSED: "warning",
    Trend.STALLED: "error",
}
_NAMED = 6
"""The maximum number of kinds and workers listed."""
_HEAD = 10


def facts(stats: QueueStats, forecast: Forecast) -> list[StyledLine]:
    """Return all facts about a queue."""
    return [
        *_labeled("forecast", [outlook_sentence(stats, forecast)], OUTLOOK_MEANING[forecast.trend] or "strong"),
        *_advice(stats, forecast),
        *_labeled("limits", explain_limits(stats.info.limits, stats.running)),
        *_workers(stats),
        *_pace(stats),
        *_later(stats),
        *_kinds(stats),
    ]


def outlook_sentence(stats: QueueStats, forecast: Forecast) -> str:
    """Return the forecast as a sentence."""
    match forecast.trend:
        case Trend.EMPTY:
            return "No jobs are ready."
        case Trend.KEEPS_UP:
            return "Keeping up: jobs start within moments."
        case Trend.DRAINING if forecast.growth is not None:
            soon, rate = rough_duration(forecast.empty_in or 0), rough_rate(-forecast.growth)
            return f"Empty in about {soon}: {rate} fewer, as in the last minutes."
        case Trend.DRAINING:
            return f"Empty in about {rough_duration(forecast.empty_in or 0)}, {forecast.reason}."
        case Trend.STEADY:
            return "Steady: about as many jobs are enqueued as are started."
        case Trend.GROWING:
            return f"Growing by {rough_rate(forecast.growth or 0)}: more jobs are enqueued than are started."
        case Trend.PAUSED:
            since = age(stats.at - (stats.info.paused_at or stats.at))
            return f"Paused for {since}: running jobs finish, no new ones start."
        case _:
            return f"Stalled: {forecast.reason}."


def _advice(stats: QueueStats, forecast: Forecast) -> list[StyledLine]:
    """Return what the user can do about it."""
    name = safe(shlex.quote(stats.info.name))
    if forecast.trend is Trend.PAUSED:
        advice = "p resumes it"
    elif forecast.trend is Trend.STALLED and not stats.served_by:
        advice = f"jobdeck worker --queues {name} processes it; so does this cockpit with threads: >"
    elif forecast.trend is Trend.STALLED and "at once" in forecast.reason:
        advice = "the next job starts when one of them finishes; l changes the limit"
    else:
        return []
    return [[("".ljust(_HEAD), "quiet"), (advice, "quiet")]]


def _workers(stats: QueueStats) -> list[StyledLine]:
    lines: list[StyledLine] = []
    found = stats.served_by
    if found:
        places = [f"{safe(each.host)}:{each.pid} ({each.threads})" for each in found]
        named = ", ".join(places[:_NAMED]) + (f" and {len(places) - _NAMED} more" if len(places) > _NAMED else "")
        lines += _labeled("workers", [f"{_count(len(found), 'process', 'es')}, {_count(stats.threads, 'thread')}: {named}"])
    elif not stats.info.pending:  # if jobs are ready, the forecast says so
        lines += _labeled("workers", ["No live worker processes this queue."])
    if unserved := stats.unserved:
        kinds = ", ".join(safe(kind) for kind in list(unserved)[:_NAMED])
        if found:
            lines.append(
                [("".ljust(_HEAD), "quiet"), (f"No worker knows {kinds}: {number(sum(unserved.values()))} ready", "error")]
            )
    return lines


def _pace(stats: QueueStats) -> list[StyledLine]:
    total = stats.total
    if not (total.started or total.completed or total.failed):
        return _labeled("pace", ["Nothing has run in the last 5 minutes."])
    parts = [f"{rough_rate(total.throughput)} done" if total.completed else "none done"]
    if total.failure_rate:
        parts.append(f"{total.failure_rate:.0%} of the attempts failed")
    lines = _labeled("pace", [" · ".join(parts)])
    for name, each in (("run time", total.run), ("wait", total.wait)):
        if each.count:
            lines += _labeled(name, [f"p50 {_or_dash(each.p50)} · p95 {_or_dash(each.p95)} · p99 {_or_dash(each.p99)}"])
    return lines


def _or_dash(seconds: float | None) -> str:
    return "—" if seconds is None else duration(seconds)


def _later(stats: QueueStats) -> list[StyledLine]:
    states = (State.SCHEDULED, State.RETRYING, State.WAITING)
    waits = {State.SCHEDULED: "scheduled", State.RETRYING: "to be retried", State.WAITING: "waiting for other jobs"}
    parts = [f"{number(n)} {waits[state]}" for state in states if (n := stats.info.counts.get(state, 0))]
    return _labeled("later", [", ".join(parts)]) if parts else []


def _kinds(stats: QueueStats) -> list[StyledLine]:
    """Return the kinds with the counts of their jobs, those with the most open jobs first."""

    def order(kind: str) -> tuple[int, int, str]:
        counts = stats.kinds[kind]
        open_ = sum(n for state, n in counts.items() if not state.is_final)
        return -open_, -sum(counts.values()), kind

    kinds = sorted(stats.kinds, key=order)
    shown = kinds[: 2 * _NAMED]
    size = max((len(safe(kind)) for kind in shown), default=0)
    lines: list[StyledLine] = []
    for kind in shown:
        pieces: StyledLine = [(("" if lines else "kinds").ljust(_HEAD), "quiet"), (safe(kind).ljust(size), "")]
        for state in State:
            if n := stats.kinds[kind].get(state, 0):
                pieces.append((f"  {GLYPHS[state]} {number(n)}", state.value))
        lines.append(pieces)
    if len(kinds) > len(shown):
        lines.append([("".ljust(_HEAD), "quiet"), (f"and {len(kinds) - len(shown):,} more", "quiet")])
    return lines


def _labeled(name: str, sentences: Sequence[str], meaning: str = "") -> list[StyledLine]:
    return [[(("" if at else name).ljust(_HEAD), "quiet"), (sentence, meaning)] for at, sentence in enumerate(sentences)]


def _count(n: int, noun: str, result: str = "s") -> str:
    return f"{n:,} {noun}{'' if n == 1 else result}"
