"""The rows and details of workers: what each process serves and runs, and when its leases expire. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobdeck import Job, StuckJob, WorkerInfo, record

from ...feed.messages import LocalWorker
from ...text.arguments import shown_json
from ...text.format import age, busy_text, duration, number, share_text, span
from ...text.progress import bar, describe_progress, format_message, format_time_left
from ...text.sanitize import safe
from ...text.worker_slots import Process
from ..table.cells import arguments, kind_or_command
from ..table.keyed_table import Row
from .job_details import StyledLine, as_json, format_clock_time

SLOW = 10.0
"""The run time in seconds after which a job is highlighted."""
_HEAD = 10
_NAMED = 12


@record
class RowContext:
    """The data that all rows share."""

    at: float
    lease: float
    own: str | None
    """The worker of this cockpit."""
    wide: bool = True
    """`True` if long bars fit."""
    long: bool = True
    """`True` if whole sentences fit."""
    rescuer_alive: bool = True
    """`True` if a live worker can rescue the jobs of the others."""
    digits: int = 1
    """The number of digits of the longest id."""


def rows(
    processes: Sequence[Process], pool: LocalWorker, at: float, lease: float, *, wide: bool = True, long: bool = True
) -> Iterable[Row]:
    """Yield a row for each process, and below it one for each of its slots."""
    alive = any(process.alive for process in processes)
    digits = max((len(str(job.id)) for process in processes for job in process.jobs), default=1)
    scene = RowContext(at, lease, pool.worker, wide, long, alive, digits)
    for process in processes:
        yield _process_row(process, scene)
        for place, job in enumerate(process.slots):
            yield _idle_row(process, place) if job is None else _job_row(process, place, job, scene)
        if process.more_idle:
            more = "more " if any(slot is None for slot in process.slots) else ""
            cells: tuple[StyledLine, ...] = ([(f"   · {number(process.more_idle)} {more}idle", "quiet")], [], [], [], [], [])
            yield Row((process.id, len(process.slots)), cells)
        yield from (_stuck_row(process, each, at) for each in _stuck_elsewhere(process))


def _process_row(process: Process, scene: RowContext) -> Row:
    info = process.info
    if info is None:
        name: StyledLine = [("✗ ", "error"), (safe(_place(process.id)), "strong")]
        rescue: StyledLine = [("missing", "error"), (" · ", "quiet"), *_rescue_text(process.jobs, scene, several=True)]
        return Row((process.id,), (name, [], [], [], [], rescue))
    heard = max(0.0, scene.at - info.heartbeat_at)
    meaning = "error" if not info.alive else "warning" if info.draining else "good"
    name = [("● " if info.alive else "✗ ", meaning), (f"{safe(info.host)}:{info.pid}", "strong")]
    if process.id == scene.own:
        name.append(("  this cockpit", "accent"))
    busy = len(process.jobs)
    share = min(1.0, busy / info.threads) if info.threads else 0.0
    text = f" {share_text(busy, info.threads)}"
    cells: tuple[StyledLine, ...] = (
        name,
        [(bar(share, 8 if scene.wide else 4), "running" if busy and info.alive else "line"), (text, "")],
        [(age(scene.at - info.started_at), "")],
        [(age(heard), "" if info.alive else "error")],
        _lease_cell(scene.lease - heard, info.alive, scene),
        _process_detail(process, info, scene),
    )
    return Row((process.id,), cells)


def _process_detail(process: Process, info: WorkerInfo, scene: RowContext) -> StyledLine:
    if not info.alive:
        silent: StyledLine = [(f"silent for {age(scene.at - info.heartbeat_at)}", "error"), (" · ", "quiet")]
        if not process.jobs:
            return [*silent, ("it stopped without deregistering, and runs no job" if scene.long else "runs no job", "quiet")]
        return [*silent, *_rescue_text(process.jobs, scene, several=True)]
    text: StyledLine = []
    for each in info.stalled:
        text += [(f"{safe(each.thread)} stalled for {age(scene.at - each.since)}", "error"), (" · ", "quiet")]
    if info.stuck:
        text += [(f"{info.stuck} stuck", "error"), (" · ", "quiet")]
    if info.draining:
        text += [("draining: claims no more jobs" if scene.long else "draining", "warning"), (" · ", "quiet")]
    if text and not scene.wide:
        return text[:-1]
    text.append((", ".join(safe(each) for each in info.queues) or "all queues", ""))
    if process.claimed:
        text.append((f" · {_count(len(process.claimed), 'job')} claimed", "quiet"))
    if info.kinds:
        text.append((f" · {_count(len(info.kinds), 'kind')}", "quiet"))
    if info.processes:
        text.append((f" · {info.processes} child {'process' if info.processes == 1 else 'processes'}", "quiet"))
    return text


def _rescue_text(jobs: Sequence[Job], scene: RowContext, *, several: bool = False) -> StyledLine:
    """Return when the jobs of a silent or missing process are rescued."""
    many = len(jobs) > 1
    remaining = max(((job.lease_until or scene.at) - scene.at for job in jobs), default=0.0)
    if remaining <= 0 and not scene.rescuer_alive:
        text = f"no live worker to rescue {'them' if many else 'it'}" if scene.long else "no live worker"
        return [(text, "error")]
    when = f"{'within' if many else 'in'} {age(remaining)}" if remaining > 0 else "within moments"
    if scene.long:
        what = f"its {number(len(jobs))} jobs will be rescued" if many else "its job will be rescued"
    else:
        what = f"{_count(len(jobs), 'job')} rescued" if several else "rescued"
    return [(f"{what} {when}", "warning")]


def _job_row(process: Process, place: int, job: Job, scene: RowContext) -> Row:
    ran = max(0.0, scene.at - (job.started_at or scene.at))
    remaining = (job.lease_until or scene.at) - scene.at
    name: StyledLine = [("   ▸ " if process.alive else "   ✗ ", "running" if process.alive else "error")]
    name += [(f"{job.id:>{scene.digits}} ", "quiet"), (kind_or_command(job), "")]
    cells: tuple[StyledLine, ...] = (
        name,
        [(" " * (9 if scene.wide else 5), ""), (f"{job.attempt}/{job.max_attempts}", "quiet")],
        [(duration(ran) if ran < 60 else age(ran), "warning" if ran > SLOW else "")],
        [],
        _lease_cell(remaining, process.alive, scene),
        _job_detail(process, job, remaining, scene),
    )
    return Row((process.id, place), cells)


def _job_detail(process: Process, job: Job, remaining: float, scene: RowContext) -> StyledLine:
    request = find_stopping(process, job.id)
    text: StyledLine = []
    if not process.alive:
        text = [*_rescue_text([job], scene), (" · ", "quiet")]
    elif request is not None:
        text = [*stop_text(process, request, scene.at, short=not scene.long), (" · ", "quiet")]
    elif job.cancelling:
        text = [("cancelling: not yet delivered" if scene.wide else "cancelling", "warning"), (" · ", "quiet")]
    elif job.progress is not None:
        text = [(bar(job.progress, 10 if scene.wide else 5), "accent"), (f" {job.progress:4.0%}  ", "")]
        text += [(f"{part} · ", "quiet") for part in (format_time_left(job, scene.at), format_message(job)) if part]
    elif remaining <= 0:
        text = [
            ("its lease has expired: it will be rescued" if scene.long else "its lease has expired", "error"),
            (" · ", "quiet"),
        ]
    return [*text, (arguments(job, 200), "quiet")]


def find_stopping(process: Process, job_id: int) -> StuckJob | None:
    """Return what the worker reports of a job that it has asked to stop; `None` if it has not."""
    stopping = process.info.stopping if process.info is not None else ()
    return next((each for each in stopping if each.job_id == job_id), None)


def stop_text(process: Process, request: StuckJob, at: float, *, short: bool = False) -> StyledLine:
    """Return since when a handler has ignored the request to stop; an error if its thread has been replaced."""
    since = max(0.0, at - request.since)
    stuck = bool(process.info and process.info.stuck) and since >= 1.0
    if short:
        text = f"stuck for {age(since)}" if stuck else f"stopping for {age(since)}"
    else:
        text = f"{'stuck: ' if stuck else ''}asked to stop {age(since)} ago ({request.reason})"
    return [(text, "error" if stuck else "warning")]


def _stuck_elsewhere(process: Process) -> list[StuckJob]:
    """Return the stuck handlers of jobs that this process no longer owns: they run elsewhere, or have finished."""
    if process.info is None or not process.alive:
        return []
    owned = {job.id for job in process.jobs}
    return [each for each in process.info.stopping if each.job_id not in owned]


def _stuck_row(process: Process, request: StuckJob, at: float) -> Row:
    name: StyledLine = [("   ! ", "error"), (f"{request.job_id} ", "quiet"), (safe(request.kind), "")]
    text = [*stop_text(process, request, at), (" · it no longer owns the job", "quiet")]
    return Row((process.id, -request.job_id), (name, [], [(age(max(0.0, at - request.since)), "")], [], [], text))


def _idle_row(process: Process, place: int) -> Row:
    return Row((process.id, place), ([("   · idle", "quiet")], [], [], [], [], []))


def _lease_cell(remaining: float, alive: bool, scene: RowContext) -> StyledLine:
    share = max(0.0, min(1.0, remaining / scene.lease)) if scene.lease else 0.0
    meaning = "good" if alive and share > 1 / 3 else "warning" if remaining > 0 else "error"
    text = age(remaining) if remaining > 0 else "over"
    return [(bar(share, 8 if scene.wide else 4), meaning), (f" {text:>4}", "quiet" if remaining > 0 else "error")]


# -- one process or slot ---------------------------------------------------------------------------


def process_facts(process: Process, pool: LocalWorker, at: float, lease: float) -> list[StyledLine]:
    """Return all facts about a process."""
    info = process.info
    if info is None:
        return [_fact("worker", safe(process.id)), _fact("state", "missing: it has no heartbeat", "error")]
    state = ("alive", "good")
    if info.draining:
        state = ("draining: finishes its running jobs, claims no more", "warning")
    if not info.alive:
        state = (f"silent for {age(at - info.heartbeat_at)}: it has crashed, or cannot reach the database", "error")
    lines = [
        _fact(
            "worker", f"{safe(info.id)}{'  (this cockpit; < and > change its threads)' if process.id == pool.worker else ''}"
        ),
        _fact("state", *state),
        _fact("started", f"{format_clock_time(info.started_at, at)}  {age(at - info.started_at)} ago"),
        _fact("threads", _threads(process, info)),
        _fact("heartbeat", f"{duration(max(0.0, at - info.heartbeat_at))} ago; silent after {span(lease)} without a heartbeat"),
        _fact("queues", ", ".join(safe(each) for each in info.queues) or "all"),
    ]
    if info.kinds:
        kinds = ", ".join(safe(each) for each in info.kinds[:_NAMED])
        lines.append(_fact("kinds", kinds + (f" and {len(info.kinds) - _NAMED} more" if len(info.kinds) > _NAMED else "")))
    for at_line, each in enumerate(info.stopping[:_NAMED]):
        head = ("" if at_line else "stopping").ljust(_HEAD)
        lines.append([(head, "quiet"), (f"job {each.job_id} {safe(each.kind)} ", ""), *stop_text(process, each, at)])
    return lines


def _threads(process: Process, info: WorkerInfo) -> str:
    busy = len(process.jobs)
    # Async handlers do not need a thread each.
    text = (
        f"{busy} of {info.threads} busy"
        if busy <= info.threads
        else f"{info.threads}; {number(busy)} jobs running, most of them async"
    )
    if process.claimed:
        text += f"; {_count(len(process.claimed), 'job')} claimed ahead"
    if info.processes:
        text += f", in {info.processes} child {'process' if info.processes == 1 else 'processes'}"
    if info.stuck:
        text += f"; {info.stuck} stuck and replaced"
    return text


def job_facts(process: Process, job: Job, at: float, lease: float) -> list[StyledLine]:
    """Return all facts about the job in a slot."""
    ran = max(0.0, at - (job.started_at or at))
    remaining = (job.lease_until or at) - at
    lines = [
        [("job".ljust(_HEAD), "quiet"), (f"{job.id} {safe(job.kind)}", "strong"), (f"  of queue {safe(job.queue)}", "quiet")],
        _fact("running", f"for {duration(ran)}, attempt {job.attempt} of {job.max_attempts}"),
        _fact(
            "lease", f"{duration(remaining)} of {span(lease)} left; each heartbeat renews it" if remaining > 0 else "expired"
        ),
    ]
    request = find_stopping(process, job.id)
    if request is not None:
        lines.append([("stopping".ljust(_HEAD), "quiet"), *stop_text(process, request, at)])
    elif job.timeout:
        lines.append(_fact("timeout", f"{span(job.timeout)}; {duration(max(0.0, job.timeout - ran))} left"))
    if job.progress is not None:
        lines.append(
            [("progress".ljust(_HEAD), "quiet"), (bar(job.progress, 20), "accent"), (f" {describe_progress(job, at)}", "")]
        )
    return [*lines, [("arguments", "quiet")], *as_json(shown_json(job.kind, job.args_json))]


def title(processes: Sequence[Process]) -> list[tuple[str, str]]:
    """Return how busy all processes are together."""
    alive = [process for process in processes if process.alive]
    threads = sum(process.info.threads for process in alive if process.info is not None)
    parts = [(busy_text(sum(len(process.jobs) for process in alive), threads), "$accent")]
    if len(alive) > 1:
        parts.append((f"in {len(alive)} processes", "$quiet"))
    if stuck := sum(process.info.stuck for process in alive if process.info is not None):
        parts.append((f"· {stuck} stuck", "$error"))
    if silent := len(processes) - len(alive):
        parts.append((f"· {silent} silent", "$error"))
    return parts


def _fact(name: str, value: str, meaning: str = "") -> StyledLine:
    return [(name.ljust(_HEAD), "quiet"), (value, meaning)]


def _place(worker: str) -> str:
    """Return `host:pid` of a worker id `host:pid:random`."""
    return worker.rpartition(":")[0] or worker


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
