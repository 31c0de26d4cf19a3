"""The details of a schedule, and the rows of the tables of schedules. Pure; names styles by meaning."""

from __future__ import annotations

import json
from collections.abc import Sequence

from jobdeck import Schedule, ScheduledRun, State

from ...feed.queries.schedules import ScheduleData
from ...text.arguments import shown_arguments
from ...text.cron_text import describe_cron, has_zone
from ...text.format import GLYPHS, age, duration, newest_error, span
from ...text.sanitize import safe
from ...text.times import in_zone, parse_local_time
from ..table.cells import format_arguments
from ..table.keyed_table import Row, TableColumn
from .job_details import StyledLine

NARROW = 100
"""The screen width below which the strip of jobs and the lines are shorter."""

WIDE = 150
"""The screen width from which the table has a column for arguments."""


def strip_length(width: int) -> int:
    """Return the number of jobs in the strip."""
    return 20 if width >= NARROW else 10


def heads(width: int) -> tuple[TableColumn, ...]:
    """Return the columns of the table on a screen of this width."""
    strip = strip_length(width)
    wide = width >= WIDE
    return (
        TableColumn("name", "SCHEDULE", least=8, most=32),
        TableColumn("when", "WHEN", least=22 if width < NARROW else 34, most=70, grow=not wide),
        TableColumn("kind", "KIND", most=24, drop=4),
        *[TableColumn("args", "ARGUMENTS", least=9, most=200, grow=True, drop=5)] * wide,
        TableColumn("next", "NEXT", drop=3),
        TableColumn("in", "DUE", right=True, least=7),
        TableColumn("last", "LAST", least=7, drop=1),
        TableColumn("strip", f"LAST {strip}", least=strip, drop=2),
    )


HISTORY_HEADS = (
    TableColumn("job", "JOB", right=True),
    TableColumn("state", "STATE", least=9),
    TableColumn("tick", "DUE", drop=1),
    TableColumn("took", "TOOK", right=True, drop=2),
    TableColumn("error", "ERROR", least=6, grow=True, most=200, drop=3),
)


def row_of(seen: ScheduleData, now: float, width: int) -> Row:
    """Return the row of a schedule, on a screen of this width."""
    schedule = seen.schedule
    name: StyledLine = [(safe(schedule.name), "quiet" if schedule.paused else "strong")]
    when: StyledLine = [(safe(describe_cron(schedule.cron)), "quiet" if schedule.paused else "")]
    if has_zone(schedule.cron):
        when.append((f" {safe(schedule.timezone)}", "quiet"))
    coming: StyledLine = [(short_time(schedule.next_at, now), "")]
    until: StyledLine = [(until_text(schedule.next_at - now), "accent")]
    if schedule.paused:
        coming, until = [("—", "quiet")], [("‖ paused", "warning")]
    elif schedule.error is not None:
        until = [("✗ error", "error")]
    args: list[StyledLine] = [[(format_arguments(schedule.kind, schedule.args_json), "quiet")]] if width >= WIDE else []
    strip = strip_of(seen, strip_length(width))
    return Row(schedule.name, (name, when, [(safe(schedule.kind), "quiet")], *args, coming, until, last_of(seen, now), strip))


def last_of(seen: ScheduleData, now: float) -> StyledLine:
    """Return the state of the newest job, and how long ago it was enqueued."""
    job, schedule = seen.last, seen.schedule
    if job is not None and job.id == schedule.last_job:
        return [(f"{GLYPHS[job.state]} ", job.state.value), (f"{age(now - job.created_at)} ago", "quiet")]
    return [("—" if schedule.last_at is None else f"  {age(now - schedule.last_at)} ago", "quiet")]


def strip_of(seen: ScheduleData, length: int) -> StyledLine:
    """Return one glyph for each of the newest jobs, the newest on the right."""
    jobs = seen.history[:length][::-1]
    return [("·" * (length - len(jobs)), "line"), *((GLYPHS[job.state], job.state.value) for job in jobs)]


def history_row(job: ScheduledRun, now: float) -> Row:
    """Return a row of the history."""
    took = duration(job.took) if job.took is not None else ""
    return Row(
        job.id,
        (
            [(str(job.id), "quiet")],
            [(f"{GLYPHS[job.state]} {job.state.value}", job.state.value)],
            [(short_time(job.scheduled_at, now), "quiet")],
            [(took, "quiet")],
            [(safe(newest_error(job) or ""), "error")],
        ),
    )


def schedule_facts(seen: ScheduleData, now: float, *, narrow: bool) -> list[StyledLine]:
    """Return all facts about a schedule except its history."""
    schedule = seen.schedule
    zone = f", {safe(schedule.timezone)}" if has_zone(schedule.cron) else ""
    lines: list[StyledLine] = [[(safe(describe_cron(schedule.cron)) + zone, "strong")], _fact("cron", safe(schedule.cron))]
    if schedule.error is not None:
        lines.append([(_label("error"), "quiet"), (f"✗ {safe(schedule.error)}", "error")])
    if schedule.paused_at is not None:
        ago = age(now - schedule.paused_at)
        lines.append([(_label("next"), "quiet"), (f"‖ paused {ago} ago", "warning"), (" · p resumes it", "quiet")])
    else:
        ticks = tick_lines(seen.ticks, schedule.timezone, now, narrow=narrow)
        lines += [[(_label("" if place else "next"), "quiet"), *tick] for place, tick in enumerate(ticks)]
    lines += [_fact("kind", safe(schedule.kind)), _fact("args", _args(schedule)), _fact("options", _options(schedule))]
    added = f"{in_zone(schedule.created_at, None)}, {age(now - schedule.created_at)} ago"
    return [*lines, _fact("added", added)]


def tick_lines(ticks: Sequence[float], timezone: str, now: float, *, narrow: bool = False) -> list[StyledLine]:
    """Return the next ticks in their time zone, in local time if that differs, and the time until each."""
    lines: list[StyledLine] = []
    seconds = any(tick % 60 for tick in ticks)
    for tick in ticks:
        there, here = parse_local_time(tick, timezone), parse_local_time(tick, None)
        line: StyledLine = [(in_zone(tick, timezone, seconds=seconds), "")]
        if there is not None and narrow:
            line = [(there.strftime("%a %m-%d %H:%M:%S" if seconds else "%a %m-%d %H:%M"), "")]
        if there is not None and here is not None and there.utcoffset() != here.utcoffset():
            day = "%a " if there.date() != here.date() else ""
            line.append((here.strftime(f"  {day}%H:%M here"), "later"))
        if not narrow or len(line) == 1:
            line.append((f"  {until_text(tick - now)}", "accent"))
        lines.append(line)
    return lines


def until_text(seconds: float) -> str:
    """Format the time until a tick: `in 3h12m`, or `due` once it has come."""
    if seconds <= 0:
        return "due"
    return f"in {duration(max(1.0, float(round(seconds))))}".replace(".0s", "s")


def short_time(at: float, now: float) -> str:
    """Format a local time, with its day unless that is today: `14:00`, `Tue 03:00`, `2026-03-01 03:00`."""
    moment, today = parse_local_time(at, None), parse_local_time(now, None)
    if moment is None or today is None:
        return str(at)
    clock = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
    if moment.date() == today.date():
        return clock
    return f"{moment:%a} {clock}" if abs(at - now) < 6 * 86400 else f"{moment:%Y-%m-%d} {clock}"


def _args(schedule: Schedule) -> str:
    args = shown_arguments(schedule.kind, schedule.args)
    return safe(args if isinstance(args, str) else json.dumps(args, ensure_ascii=False))


def _options(schedule: Schedule) -> str:
    parts = [f"queue {safe(schedule.queue)}", f"priority {schedule.priority}"]
    parts.append(f"{schedule.max_attempts} attempt{'s' * (schedule.max_attempts != 1)}")
    parts.append(f"timeout {span(schedule.timeout)}" if schedule.timeout else "no timeout")
    parts += [f"tags {safe(' '.join(schedule.tags))}"] * bool(schedule.tags)
    return " · ".join(parts)


def _fact(name: str, text: str) -> StyledLine:
    return [(_label(name), "quiet"), (text, "")]


def _label(name: str) -> str:
    return f"{name:<9}"


def count_by_state(history: Sequence[ScheduledRun]) -> str:
    """Count the jobs of the history by state: `18 completed, 2 failed`."""
    counts = {state: sum(job.state is state for job in history) for state in State}
    return ", ".join(f"{n} {state}" for state, n in counts.items() if n)
