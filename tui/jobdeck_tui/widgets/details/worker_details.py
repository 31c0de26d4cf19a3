"""Workers told in rows and lines: what each process serves and runs, and how long its leases last. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobdeck import Job, Stopping, WorkerInfo

from ...feed.messages import Pool
from ...text.format import age, duration, how_busy, number, span
from ...text.sanitize import safe
from ...text.worker_slots import Process
from ..table.cells import arguments, doing
from ..table.keyed_table import Row
from .job_details import Told, as_json, clock_time
from .queue_details import bar

SLOW = 10.0
"""Seconds: a run longer than this is pointed out."""
_HEAD = 10
_NAMED = 12


@dataclass(frozen=True, slots=True)
class Scene:
    """What all rows have in common."""

    at: float
    lease: float
    own: str | None
    """The worker of this very cockpit."""
    wide: bool = True
    """Whether there is room for long bars."""
    long: bool = True
    """Whether there is room for whole sentences."""
    taken_back: bool = True
    """Whether somebody is alive to take back the jobs of the others."""
    digits: int = 1
    """Of the longest id."""


def rows(
    processes: Sequence[Process], pool: Pool, at: float, lease: float, *, wide: bool = True, long: bool = True
) -> Iterable[Row]:
    """A row a process, and below it one for each of its slots."""
    alive = any(process.alive for process in processes)
    digits = max((len(str(job.id)) for process in processes for job in process.jobs), default=1)
    scene = Scene(at, lease, pool.worker, wide, long, alive, digits)
    for process in processes:
        yield _process_row(process, scene)
        for place, job in enumerate(process.slots):
            yield _idle_row(process, place) if job is None else _job_row(process, place, job, scene)
        if process.more_idle:
            more = "more " if any(slot is None for slot in process.slots) else ""
            cells: tuple[Told, ...] = ([(f"   · {number(process.more_idle)} {more}idle", "quiet")], [], [], [], [], [])
            yield Row((process.id, len(process.slots)), cells)
        yield from (_left_row(process, each, at) for each in _elsewhere(process))


def _process_row(process: Process, scene: Scene) -> Row:
    info = process.info
    if info is None:
        name: Told = [("✗ ", "error"), (safe(_place(process.id)), "strong")]
        gone: Told = [("gone", "error"), (" · ", "quiet"), *_back(process.jobs, scene, several=True)]
        return Row((process.id,), (name, [], [], [], [], gone))
    heard = max(0.0, scene.at - info.heartbeat_at)
    meaning = "error" if not info.alive else "warning" if info.draining else "good"
    name = [("● " if info.alive else "✗ ", meaning), (f"{safe(info.host)}:{info.pid}", "strong")]
    if process.id == scene.own:
        name.append(("  this cockpit", "accent"))
    busy = len(process.jobs)
    share = min(1.0, busy / info.threads) if info.threads else 0.0
    told = f" {busy}/{info.threads}" if busy <= info.threads else f" {number(busy)}"
    cells: tuple[Told, ...] = (
        name,
        [(bar(share, 8 if scene.wide else 4), "running" if busy and info.alive else "line"), (told, "")],
        [(age(scene.at - info.started_at), "")],
        [(age(heard), "" if info.alive else "error")],
        _lease_cell(scene.lease - heard, info.alive, scene),
        _process_detail(process, info, scene),
    )
    return Row((process.id,), cells)


def _process_detail(process: Process, info: WorkerInfo, scene: Scene) -> Told:
    if not info.alive:
        silent: Told = [(f"silent for {age(scene.at - info.heartbeat_at)}", "error"), (" · ", "quiet")]
        if not process.jobs:
            return [*silent, ("it ended without a word, and holds nothing" if scene.long else "holds nothing", "quiet")]
        return [*silent, *_back(process.jobs, scene, several=True)]
    told: Told = []
    if info.stuck:
        told += [(f"{info.stuck} stuck", "error"), (" · ", "quiet")]
    if info.draining:
        told += [("draining: it claims nothing more" if scene.long else "draining", "warning"), (" · ", "quiet")]
    if told and not scene.wide:
        return told[:-1]
    told.append((", ".join(safe(each) for each in info.queues) or "all queues", ""))
    if info.kinds:
        told.append((f" · {_count(len(info.kinds), 'kind')}", "quiet"))
    if info.processes:
        told.append((f" · {info.processes} child {'process' if info.processes == 1 else 'processes'}", "quiet"))
    return told


def _back(jobs: Sequence[Job], scene: Scene, *, several: bool = False) -> Told:
    """When jobs of a process that is silent or gone come back."""
    many = len(jobs) > 1
    left = max(((job.lease_until or scene.at) - scene.at for job in jobs), default=0.0)
    if left <= 0 and not scene.taken_back:
        told = f"no worker is alive to take {'them' if many else 'it'} back" if scene.long else "nobody takes it back"
        return [(told, "error")]
    when = f"{'within' if many else 'in'} {age(left)}" if left > 0 else "within moments"
    if scene.long:
        what = f"its {number(len(jobs))} jobs come back" if many else "its job comes back"
    else:
        what = f"{_count(len(jobs), 'job')} back" if several else "back"
    return [(f"{what} {when}", "warning")]


def _job_row(process: Process, place: int, job: Job, scene: Scene) -> Row:
    ran = max(0.0, scene.at - (job.started_at or scene.at))
    left = (job.lease_until or scene.at) - scene.at
    name: Told = [("   ▸ " if process.alive else "   ✗ ", "running" if process.alive else "error")]
    name += [(f"{job.id:>{scene.digits}} ", "quiet"), (doing(job), "")]
    cells: tuple[Told, ...] = (
        name,
        [(" " * (9 if scene.wide else 5), ""), (f"{job.attempt}/{job.max_attempts}", "quiet")],
        [(duration(ran) if ran < 60 else age(ran), "warning" if ran > SLOW else "")],
        [],
        _lease_cell(left, process.alive, scene),
        _job_detail(process, job, left, scene),
    )
    return Row((process.id, place), cells)


def _job_detail(process: Process, job: Job, left: float, scene: Scene) -> Told:
    asked = stopping_of(process, job.id)
    told: Told = []
    if not process.alive:
        told = [*_back([job], scene), (" · ", "quiet")]
    elif asked is not None:
        told = [*stop_told(process, asked, scene.at, short=not scene.long), (" · ", "quiet")]
    elif job.cancelling:
        told = [("cancelling: its worker will hear" if scene.wide else "cancelling", "warning"), (" · ", "quiet")]
    elif job.progress is not None:
        told = [(bar(job.progress, 10 if scene.wide else 5), "accent"), (f" {job.progress:4.0%}  ", "")]
    elif left <= 0:
        told = [("its lease has ended: it will run again" if scene.long else "its lease has ended", "error"), (" · ", "quiet")]
    return [*told, (arguments(job, 200), "quiet")]


def stopping_of(process: Process, job_id: int) -> Stopping | None:
    """What the worker says of a job that it has asked to stop."""
    told = process.info.stopping if process.info is not None else ()
    return next((each for each in told if each.job_id == job_id), None)


def stop_told(process: Process, asked: Stopping, at: float, *, short: bool = False) -> Told:
    """That code was asked to stop and goes on; an error where it has been stuck long enough for its thread to be replaced."""
    since = max(0.0, at - asked.since)
    stuck = bool(process.info and process.info.stuck) and since >= 1.0
    if short:
        text = f"stuck for {age(since)}" if stuck else f"stopping for {age(since)}"
    else:
        text = f"{'stuck: ' if stuck else ''}asked to stop {age(since)} ago ({asked.why})"
    return [(text, "error" if stuck else "warning")]


def _elsewhere(process: Process) -> list[Stopping]:
    """Stuck code of jobs that this process does not hold any more: they run elsewhere, or have ended."""
    if process.info is None or not process.alive:
        return []
    held = {job.id for job in process.jobs}
    return [each for each in process.info.stopping if each.job_id not in held]


def _left_row(process: Process, asked: Stopping, at: float) -> Row:
    name: Told = [("   ! ", "error"), (f"{asked.job_id} ", "quiet"), (safe(asked.kind), "")]
    told = [*stop_told(process, asked, at), (" · the job is not its own any more", "quiet")]
    return Row((process.id, -asked.job_id), (name, [], [(age(max(0.0, at - asked.since)), "")], [], [], told))


def _idle_row(process: Process, place: int) -> Row:
    return Row((process.id, place), ([("   · idle", "quiet")], [], [], [], [], []))


def _lease_cell(left: float, alive: bool, scene: Scene) -> Told:
    share = max(0.0, min(1.0, left / scene.lease)) if scene.lease else 0.0
    meaning = "good" if alive and share > 1 / 3 else "warning" if left > 0 else "error"
    told = age(left) if left > 0 else "over"
    return [(bar(share, 8 if scene.wide else 4), meaning), (f" {told:>4}", "quiet" if left > 0 else "error")]


# -- one of them ----------------------------------------------------------------------------------


def process_facts(process: Process, pool: Pool, at: float, lease: float) -> list[Told]:
    """Everything about a process."""
    info = process.info
    if info is None:
        return [_fact("worker", safe(process.id)), _fact("state", "gone: it is not heard of any more", "error")]
    state = ("alive", "good")
    if info.draining:
        state = ("draining: its running jobs go on, it claims nothing more", "warning")
    if not info.alive:
        state = (f"silent for {age(at - info.heartbeat_at)}: it has died, or cannot reach the database", "error")
    lines = [
        _fact(
            "worker", f"{safe(info.id)}{'  (this cockpit; < and > change its threads)' if process.id == pool.worker else ''}"
        ),
        _fact("state", *state),
        _fact("started", f"{clock_time(info.started_at, at)}  {age(at - info.started_at)} ago"),
        _fact("threads", _threads(process, info)),
        _fact("heard", f"{duration(max(0.0, at - info.heartbeat_at))} ago; silent when not heard of for {span(lease)}"),
        _fact("queues", ", ".join(safe(each) for each in info.queues) or "all"),
    ]
    if info.kinds:
        kinds = ", ".join(safe(each) for each in info.kinds[:_NAMED])
        lines.append(_fact("kinds", kinds + (f" and {len(info.kinds) - _NAMED} more" if len(info.kinds) > _NAMED else "")))
    for at_line, each in enumerate(info.stopping[:_NAMED]):
        head = ("" if at_line else "stopping").ljust(_HEAD)
        lines.append([(head, "quiet"), (f"job {each.job_id} {safe(each.kind)} ", ""), *stop_told(process, each, at)])
    return lines


def _threads(process: Process, info: WorkerInfo) -> str:
    busy = len(process.jobs)
    # Async handlers wait rather than work, and need no thread each.
    told = (
        f"{busy} of {info.threads} busy"
        if busy <= info.threads
        else f"{info.threads}; {number(busy)} jobs run, most of them async"
    )
    if info.processes:
        told += f", in {info.processes} child {'process' if info.processes == 1 else 'processes'}"
    if info.stuck:
        told += f"; {info.stuck} stuck, and others have taken their place"
    return told


def job_facts(process: Process, job: Job, at: float, lease: float) -> list[Told]:
    """What a slot runs."""
    ran = max(0.0, at - (job.started_at or at))
    left = (job.lease_until or at) - at
    lines = [
        [("job".ljust(_HEAD), "quiet"), (f"{job.id} {safe(job.kind)}", "strong"), (f"  of queue {safe(job.queue)}", "quiet")],
        _fact("running", f"for {duration(ran)}, attempt {job.attempt} of {job.max_attempts}"),
        _fact("lease", f"{duration(left)} left of {span(lease)}; each heartbeat renews it" if left > 0 else "has ended"),
    ]
    asked = stopping_of(process, job.id)
    if asked is not None:
        lines.append([("stopping".ljust(_HEAD), "quiet"), *stop_told(process, asked, at)])
    elif job.timeout:
        lines.append(_fact("timeout", f"{span(job.timeout)}; {duration(max(0.0, job.timeout - ran))} left"))
    if job.progress is not None:
        lines.append([("progress".ljust(_HEAD), "quiet"), (bar(job.progress, 20), "accent"), (f" {job.progress:.0%}", "")])
    return [*lines, [("arguments", "quiet")], *as_json(job.args_json)]


def title(processes: Sequence[Process]) -> list[tuple[str, str]]:
    """How busy they are together."""
    alive = [process for process in processes if process.alive]
    threads = sum(process.info.threads for process in alive if process.info is not None)
    told = [(how_busy(sum(len(process.jobs) for process in alive), threads), "$accent")]
    if len(alive) > 1:
        told.append((f"in {len(alive)} processes", "$quiet"))
    if stuck := sum(process.info.stuck for process in alive if process.info is not None):
        told.append((f"· {stuck} stuck", "$error"))
    if silent := len(processes) - len(alive):
        told.append((f"· {silent} silent", "$error"))
    return told


def _fact(name: str, value: str, meaning: str = "") -> Told:
    return [(name.ljust(_HEAD), "quiet"), (value, meaning)]


def _place(worker: str) -> str:
    """Host and process of a worker's id: `host:pid:random`."""
    return worker.rpartition(":")[0] or worker


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
