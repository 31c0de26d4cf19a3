"""Diagnose why a job does not run: check each condition of the claim against what the store knows. Pure.

A claim takes a job if and only if all of these conditions are met, so they are the complete answer.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from .claim_conditions import AHEAD_COUNTED, ClaimConditions, eligible_workers, is_available
from .jobs import IfParentFails, Job
from .overview import WorkerInfo
from .record_class import record
from .states import State

_BUSY = 0.5
"""The share of thread time from which workers count as busy, so that their recent rate is their maximum."""
_PARENTS_NAMED = 10


@record(kw_only=True)
class Check:
    """One condition of the claim."""

    name: str
    met: bool
    message: str
    """The state of the condition, as a sentence."""
    advice: str = ""
    """What to do about it; empty if nothing needs to be done."""
    until: float | None = None
    """When it will be met by itself, in seconds since 1970, if known."""


@record(kw_only=True)
class Explanation:
    """Why a job runs or does not run, at one point in time."""

    at: float
    job: Job
    summary: str
    """The answer in one sentence."""
    checks: tuple[Check, ...]
    ahead: int | None = None
    """Number of jobs that are claimed before it, at most `AHEAD_COUNTED`; `None` while it is not ready."""
    ahead_truncated: bool = False
    """`True` if there are more than that."""
    starts_in: float | None = None
    """Estimated seconds until it starts; `None` if that cannot be estimated."""
    estimate_basis: str = ""
    """What the estimate is based on, or why there is none."""

    @property
    def blockers(self) -> tuple[Check, ...]:
        """The conditions that are not met."""
        return tuple(check for check in self.checks if not check.met)


def explain(conditions: ClaimConditions, *, kind_limit: int | None = None) -> Explanation:
    """Check each condition of the claim.

    Args:
        conditions: the conditions of the claim, as read by a store.
        kind_limit: the maximum number of running jobs of the kind, in all processes together.
    """
    job = conditions.job
    if job.state.is_final or job.state is State.RUNNING:
        checks = tuple(_check_state(conditions))
        return Explanation(at=conditions.at, job=job, summary=_state_summary(job, checks[0]), checks=checks)
    checks = (*_check_job(conditions), *_check_limits(conditions, kind_limit), *_check_workers(conditions))
    starts_in, basis = _estimate(conditions, checks)
    ahead = None if conditions.ahead is None else min(conditions.ahead, AHEAD_COUNTED)
    return Explanation(
        at=conditions.at,
        job=job,
        summary=_summary(job, checks, starts_in),
        checks=checks,
        ahead=ahead,
        ahead_truncated=ahead != conditions.ahead,
        starts_in=starts_in,
        estimate_basis=basis,
    )


# -- the conditions -------------------------------------------------------------------------------


def _check_state(conditions: ClaimConditions) -> Iterator[Check]:
    """Describe a job that is final or running."""
    job, at = conditions.job, conditions.at
    if job.state.is_final:
        ago = span(at - (job.finished_at or at))
        verb = {State.COMPLETED: "completed", State.FAILED: "failed", State.CANCELLED: "was cancelled"}[job.state]
        why = "; ".join(part for part in (job.reason and str(job.reason), _clause(job.error)) if part)
        advice = f"`jobdeck retry {job.id}` runs it again"
        yield Check(name="state", met=False, message=f"It {verb} {ago} ago{f': {why}' if why else ''}.", advice=advice)
        return
    since = span(at - (job.started_at or at))
    sentence = f"It is running: attempt {job.attempt} of {job.max_attempts}, for {since}, on {job.worker}."
    yield Check(name="state", met=True, message=sentence)
    if job.cancelling:
        yield Check(
            name="cancelling",
            met=False,
            message="It was asked to stop, but its code has not stopped yet.",
            advice="a command is killed after a grace period; Python code has to check context().cancelled",
        )
    worker = next((each for each in conditions.workers if each.id == job.worker), None)
    if worker is None or not worker.alive:
        left = (job.lease_until or at) - at
        last = "is not registered" if worker is None else f"sent its last heartbeat {span(at - worker.heartbeat_at)} ago"
        lease = f"its lease expires in {span(left)}" if left > 0 else f"its lease expired {span(-left)} ago"
        advice = "any live worker then rescues the job: it runs again, or fails as crashed"
        yield Check(name="worker", met=False, message=f"Its worker {last}; {lease}.", advice=advice, until=job.lease_until)


def _check_job(conditions: ClaimConditions) -> Iterator[Check]:
    """Check the conditions of the job itself."""
    job, at = conditions.job, conditions.at
    left = job.scheduled_at - at
    now = f"`jobdeck retry {job.id}` runs it now"
    if job.state is State.PENDING:
        yield Check(name="due", met=True, message=f"It has been ready for {span(-left)}.")
    elif job.state is State.WAITING:
        yield _check_parents(conditions)
    elif left <= 0:
        sentence = f"It has been due for {span(-left)}, but no worker has made it ready yet."
        yield Check(name="due", met=False, message=sentence, advice="a live worker does that within a second", until=at)
    elif job.state is State.RETRYING:
        error = f" ({_clause(job.error)})" if job.error else ""
        sentence = f"Attempt {job.attempt} of {job.max_attempts} failed{error}; the next one is due in {span(left)}."
        yield Check(name="due", met=False, message=sentence, advice=now, until=job.scheduled_at)
    else:
        sentence = f"It is scheduled, and due in {span(left)}."
        yield Check(name="due", met=False, message=sentence, advice=now, until=job.scheduled_at)
    if job.expires_at is not None and job.expires_at <= at:
        sentence = f"It expired {span(at - job.expires_at)} ago: it will not start, and fails as expired."
        yield Check(name="expiry", met=False, message=sentence, advice="enqueue it again if it is still needed")
    elif job.expires_at is not None:
        sentence = f"It expires in {span(job.expires_at - at)}."
        yield Check(name="expiry", met=True, message=sentence)


def _check_parents(conditions: ClaimConditions) -> Check:
    parents = conditions.parents
    if not parents:
        sentence = "It waits for other jobs, but none of them exist anymore."
        return Check(name="parents", met=False, message=sentence, advice="`jobdeck doctor` checks for this")
    named = ", ".join(f"{each.id} ({each.state or 'deleted'})" for each in parents[:_PARENTS_NAMED])
    rest = f" and {len(parents) - _PARENTS_NAMED:,} more" if len(parents) > _PARENTS_NAMED else ""
    noun = "job" if len(parents) == 1 else f"{len(parents):,} jobs:"
    then = {
        IfParentFails.CANCEL: "if a parent fails or is cancelled, this job is also cancelled",
        IfParentFails.RUN: "if a parent fails or is cancelled, this job runs anyway",
        IfParentFails.WAIT: "if a parent fails or is cancelled, this job waits until that parent is retried and completes",
    }[conditions.if_parent_fails]
    stuck = next((each for each in parents if each.state is not None and each.state.is_final), None)
    advice = f"`jobdeck retry {stuck.id}` runs job {stuck.id} again" if stuck else f"`jobdeck why {parents[0].id}`; {then}"
    return Check(name="parents", met=False, message=f"It waits for {noun} {named}{rest}.", advice=advice)


def _check_limits(conditions: ClaimConditions, kind_limit: int | None) -> Iterator[Check]:
    """Check the pause and the limits of the queue and the kind."""
    job, at = conditions.job, conditions.at
    if conditions.paused_at is not None:
        sentence = f"Queue {job.queue} has been paused for {span(at - conditions.paused_at)}."
        advice = f"`jobdeck resume {shlex.quote(job.queue)}` resumes it"
        yield Check(name="paused", met=False, message=sentence, advice=advice)
    else:
        yield Check(name="paused", met=True, message=f"Queue {job.queue} is not paused.")
    limits = (
        ("queue limit", f"Queue {job.queue}", conditions.max_running, conditions.queue_running),
        ("kind limit", f"Kind {job.kind}", kind_limit, conditions.kind_running),
    )
    for name, what, limit, running in limits:
        if limit is not None:
            sentence = f"{what} runs {running:,} of at most {limit:,} {_noun(limit, 'job')} at once."
            advice = "" if running < limit else "it can start when one of them finishes"
            yield Check(name=name, met=running < limit, message=sentence, advice=advice)
    if conditions.rate is not None and conditions.rate_period is not None:
        starts = f"{conditions.rate:,} {_noun(conditions.rate, 'job')} in {span(conditions.rate_period)}"
        rate = f"Queue {job.queue} starts at most {starts}"
        left = conditions.rate_free_in
        sentence = f"{rate}." if left is None else f"{rate}; the next one can start in {span(left)}."
        yield Check(name="rate", met=left is None, message=sentence, until=None if left is None else at + left)


def _check_workers(conditions: ClaimConditions) -> Iterator[Check]:
    """Check the workers that would run the job, their threads, and the jobs ahead."""
    workers = eligible_workers(conditions)
    if not workers:
        sentence, advice = _no_worker(conditions)
        yield Check(name="workers", met=False, message=sentence, advice=advice)
        return
    served_by = workers[0].id if len(workers) == 1 else f"{len(workers):,} workers"
    yield Check(name="workers", met=True, message=f"It is served by {served_by}.")
    if conditions.crash_suspects:
        yield _crash_suspect(conditions, workers)
    free, threads = _free(workers), sum(each.threads for each in workers)
    stuck = sum(each.stuck for each in workers)
    held = f"; {stuck:,} in code that ignores a stop request" if stuck else ""
    if free:
        sentence, advice = f"{free:,} of {threads:,} {_noun(threads, 'thread')} {'is' if free == 1 else 'are'} free{held}.", ""
    else:
        busy = f"All {threads:,} threads are busy" if threads > 1 else "The only thread is busy"
        sentence, advice = f"{busy}{held}.", "`jobdeck worker --threads N` adds threads; so does > in the cockpit"
    yield Check(name="threads", met=free > 0, message=sentence, advice=advice)
    if conditions.ahead is None:
        return
    ahead = conditions.ahead
    more = f"more than {AHEAD_COUNTED:,}" if ahead > AHEAD_COUNTED else f"{ahead:,}"
    sentence = f"{more[:1].upper()}{more[1:]} {_noun(ahead, 'job')} {'is' if ahead == 1 else 'are'} ahead of it."
    is_next = ahead < free or ahead == 0
    advice = (
        "" if is_next else f"`jobdeck priority N {conditions.job.id}` moves it up; its priority is {conditions.job.priority}"
    )
    yield Check(name="position", met=is_next, message=sentence if ahead else "No job is ahead of it.", advice=advice)


def _crash_suspect(conditions: ClaimConditions, workers: Sequence[WorkerInfo]) -> Check:
    """Check a job that a crash has interrupted: it may be the cause, so a worker never runs two of them at once."""
    served_by = workers[0].id if len(workers) == 1 else f"each of {len(workers):,} workers"
    running = [conditions.crash_suspects[each.id] for each in workers if each.id in conditions.crash_suspects]
    is_free = len(running) < len(workers)
    now = "none" if not running else f"job {running[0]}" if len(workers) == 1 else f"{len(running):,} in total"
    sentence = f"A crash has interrupted it; {served_by} runs one such job at a time (now: {now})."
    advice = "" if is_free else "it can start when one of those finishes; another `jobdeck worker` starts it at once"
    return Check(name="crash suspect", met=is_free, message=sentence, advice=advice)


def _no_worker(conditions: ClaimConditions) -> tuple[str, str]:
    """Return why no worker serves the job, and what to do."""
    job = conditions.job
    start = "start one with `jobdeck worker`, or open the cockpit"
    alive = [each for each in conditions.workers if each.alive]
    if not alive:
        heard = max((each.heartbeat_at for each in conditions.workers), default=None)
        last = "" if heard is None else f"; the last heartbeat was {span(conditions.at - heard)} ago"
        return f"No worker is alive{last}.", start
    available = [each for each in alive if is_available(each, conditions.at)]
    one = "The only live worker" if len(alive) == 1 else f"None of the {len(alive):,} live workers"
    if not available:
        if all(each.draining for each in alive):
            return f"{one if len(alive) == 1 else 'Every live worker'} is shutting down and claims no more jobs.", start
        return "No live worker has any threads.", "add threads with --threads N, or with > in the cockpit"
    serving_queue = [each for each in available if not each.queues or job.queue in each.queues]
    if not serving_queue:
        verb = "does not serve" if len(alive) == 1 else "serves"
        return f"{one} {verb} queue {job.queue}.", f"`jobdeck worker --queues {shlex.quote(job.queue)}` does"
    verb = "does not know" if len(alive) == 1 else "that serves its queue knows"
    advice = "start one with --app or JOBDECK_APP set to the module that defines it"
    return f"{one} {verb} kind {job.kind}.", advice


# -- the estimate ---------------------------------------------------------------------------------


def _estimate(conditions: ClaimConditions, checks: Sequence[Check]) -> tuple[float | None, str]:
    """Estimate the number of seconds until the job starts; return it with the basis of the estimate.

    This applies Little's law: of the jobs ahead and the job itself, those for which no thread is free start as others
    finish, at the recent rate. If the workers were mostly idle, that rate does not show what they can do, and
    threads / mean run time is used instead.
    """
    hard = [check for check in checks if not check.met and check.name not in ("threads", "position")]
    for check in hard:
        if check.until is None:
            return None, "unknown until the other conditions are met"
    if hard:
        return max(0.0, *(check.until - conditions.at for check in hard if check.until is not None)), "at the earliest"
    if conditions.ahead is None:
        return None, ""
    workers = eligible_workers(conditions)
    needed = conditions.ahead + 1 - _free(workers)
    if needed <= 0:
        return 0.0, "a thread is free"
    pace = conditions.drain_rate
    if pace is None or not pace.finished:
        return None, "these workers finished nothing in the last hour"
    threads = max(1, sum(each.threads for each in workers))
    a_second = pace.finished / pace.seconds
    basis = f"{a_second:,.3g} per second in the last {span(pace.seconds)}"
    if a_second * pace.mean_run < _BUSY * threads and pace.mean_run > 0:
        a_second = threads / pace.mean_run
        basis = f"{threads:,} {_noun(threads, 'thread')} at {span(pace.mean_run)} per job in the last {span(pace.seconds)}"
    more = "at least: more jobs are ahead than were counted; " if conditions.ahead > AHEAD_COUNTED else ""
    return needed / a_second, more + basis


def _free(workers: Sequence[WorkerInfo]) -> int:
    return sum(max(0, each.threads - each.running) for each in workers)


# -- the texts ------------------------------------------------------------------------------------


def _summary(job: Job, checks: Sequence[Check], starts_in: float | None) -> str:
    blockers = [check for check in checks if not check.met]
    if not blockers:
        return f"Job {job.id} is about to start: all conditions are met."
    soft = all(check.name in ("threads", "position") for check in blockers)
    lead = "has not started yet" if soft else "cannot start yet" if starts_in is not None else "cannot start"
    first = blockers[-1] if soft else blockers[0]
    reason = first.message.removesuffix(".")
    reason = reason[:1].lower() + reason[1:]
    more = len(blockers) - 1
    others = "" if soft or not more else f" (and {more} more {_noun(more, 'reason')} below)"
    when = f"; it should start in about {span(starts_in)}" if soft and starts_in is not None else ""
    return f"Job {job.id} {lead}: {reason}{others}{when}."


def _state_summary(job: Job, check: Check) -> str:
    cancelling = ", and was asked to stop" if job.cancelling else ""
    return f"Job {job.id}{check.message.removeprefix('It').removesuffix('.')}{cancelling}."


def _clause(error: str | None) -> str:
    """Return an error for use inside a sentence: without the full stop at its end, unless more follow it, as in `…`."""
    text = error or ""
    return text if text.endswith("..") else text.removesuffix(".")


def _noun(n: int, noun: str) -> str:
    return noun if n == 1 else f"{noun}s"


def span(seconds: float) -> str:
    """Format a duration for use in a sentence: `0.4s`, `41s`, `2m10s`, `1h02m`, `3d04h`."""
    if seconds < 0.05:
        return "0s"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"
