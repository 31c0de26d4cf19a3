"""Why a job does not run: what the store knows of it becomes a list of conditions, each met or not. Pure.

A claim takes a job if all of these hold; so they are the answer to the question, and nothing else is.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .claim_conditions import AHEAD_COUNTED, Situation, could_serve, serving
from .jobs import IfParentFails, Job
from .overview import WorkerInfo
from .states import State

_BUSY = 0.5
"""Share of its threads' time from which a workforce counts as busy: its pace is then what it can do."""
_PARENTS_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition of the claim."""

    name: str
    holds: bool
    sentence: str
    """What is the case, for a person."""
    advice: str = ""
    """What to do about it; empty where there is nothing to do."""
    until: float | None = None
    """When it will hold by itself, in seconds since 1970, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a job runs or does not run, as it was at one moment."""

    at: float
    job: Job
    summary: str
    """The answer in one sentence."""
    checks: tuple[Check, ...]
    ahead: int | None = None
    """Jobs that are claimed before it, at most `AHEAD_COUNTED`; `None` while it is not ready."""
    ahead_more: bool = False
    """Whether there are more than that."""
    starts_in: float | None = None
    """Seconds until it starts, estimated; `None` where nobody can know."""
    basis: str = ""
    """What the estimate rests on, or why there is none."""

    @property
    def blockers(self) -> tuple[Check, ...]:
        """The conditions that do not hold."""
        return tuple(check for check in self.checks if not check.holds)


def explain(situation: Situation, *, kind_limit: int | None = None) -> Explanation:
    """Check each condition of the claim.

    Args:
        situation: what the store knows.
        kind_limit: how many jobs of the kind may run at once, across all processes.
    """
    job = situation.job
    if job.state.is_final or job.state is State.RUNNING:
        checks = tuple(_life(situation))
        return Explanation(at=situation.at, job=job, summary=_told(job, checks[0]), checks=checks)
    checks = (*_own(situation), *_limits(situation, kind_limit), *_workforce(situation))
    starts_in, basis = _estimate(situation, checks)
    ahead = None if situation.ahead is None else min(situation.ahead, AHEAD_COUNTED)
    return Explanation(
        at=situation.at,
        job=job,
        summary=_summary(job, checks, starts_in),
        checks=checks,
        ahead=ahead,
        ahead_more=ahead != situation.ahead,
        starts_in=starts_in,
        basis=basis,
    )


# -- the conditions -------------------------------------------------------------------------------


def _life(situation: Situation) -> Iterator[Check]:
    """Of a job that is final or runs."""
    job, at = situation.job, situation.at
    if job.state.is_final:
        ago = span(at - (job.finished_at or at))
        did = {State.COMPLETED: "completed", State.FAILED: "failed", State.CANCELLED: "was cancelled"}[job.state]
        why = "; ".join(str(part) for part in (job.reason, job.error) if part)
        again = f"`jobdeck retry {job.id}` runs it again"
        yield Check(name="state", holds=False, sentence=f"It {did} {ago} ago{f': {why}' if why else ''}.", advice=again)
        return
    since = span(at - (job.started_at or at))
    runs = f"It runs: attempt {job.attempt} of {job.max_attempts}, for {since}, on {job.worker}."
    yield Check(name="state", holds=True, sentence=runs)
    if job.cancelling:
        yield Check(
            name="cancelling",
            holds=False,
            sentence="It was asked to stop, and its code has not stopped yet.",
            advice="a command is killed after its grace; Python code has to look at context().cancelled",
        )
    worker = next((each for each in situation.workers if each.id == job.worker), None)
    if worker is None or not worker.alive:
        left = (job.lease_until or at) - at
        heard = "has not been heard of" if worker is None else f"was last heard of {span(at - worker.heartbeat_at)} ago"
        ends = f"its lease ends in {span(left)}" if left > 0 else f"its lease ended {span(-left)} ago"
        advice = "then any live worker takes the job back, and it runs again or ends as crashed"
        yield Check(name="worker", holds=False, sentence=f"Its worker {heard}; {ends}.", advice=advice, until=job.lease_until)


def _own(situation: Situation) -> Iterator[Check]:
    """What the job itself waits for."""
    job, at = situation.job, situation.at
    left = job.scheduled_at - at
    now = f"`jobdeck retry {job.id}` runs it now"
    if job.state is State.PENDING:
        yield Check(name="due", holds=True, sentence=f"It is ready, and has been for {span(-left)}.")
    elif job.state is State.WAITING:
        yield _waiting(situation)
    elif left <= 0:
        sentence = f"It has been due for {span(-left)}, and no worker has made it ready yet."
        yield Check(name="due", holds=False, sentence=sentence, advice="a live worker does so within a second", until=at)
    elif job.state is State.RETRYING:
        sentence = f"Attempt {job.attempt} of {job.max_attempts} failed, and the next one is due in {span(left)}"
        error = f": {job.error}" if job.error else ""
        yield Check(name="due", holds=False, sentence=f"{sentence}{error}.", advice=now, until=job.scheduled_at)
    else:
        sentence = f"It is scheduled, and due in {span(left)}."
        yield Check(name="due", holds=False, sentence=sentence, advice=now, until=job.scheduled_at)
    if job.expires_at is not None and job.expires_at <= at:
        sentence = f"It expired {span(at - job.expires_at)} ago: it is not worth starting any more, and will be ended."
        yield Check(name="expiry", holds=False, sentence=sentence, advice="enqueue it again if it is still wanted")
    elif job.expires_at is not None:
        sentence = f"It is worth starting for another {span(job.expires_at - at)}."
        yield Check(name="expiry", holds=True, sentence=sentence)


def _waiting(situation: Situation) -> Check:
    parents = situation.parents
    if not parents:
        sentence = "It waits for other jobs, and none of them is left."
        return Check(name="parents", holds=False, sentence=sentence, advice="`jobdeck doctor` looks into it")
    named = ", ".join(f"{each.id} ({each.state or 'gone'})" for each in parents[:_PARENTS_NAMED])
    rest = f" and {len(parents) - _PARENTS_NAMED:,} more" if len(parents) > _PARENTS_NAMED else ""
    noun = "job" if len(parents) == 1 else f"{len(parents):,} jobs:"
    then = {
        IfParentFails.CANCEL: "if one fails or is cancelled, this one is cancelled too",
        IfParentFails.RUN: "if one fails or is cancelled, this one runs all the same",
        IfParentFails.WAIT: "if one fails or is cancelled, this one waits until somebody retries it",
    }[situation.if_parent_fails]
    stuck = next((each for each in parents if each.state is not None and each.state.is_final), None)
    advice = f"`jobdeck retry {stuck.id}` runs that one again" if stuck else f"`jobdeck why {parents[0].id}`; {then}"
    return Check(name="parents", holds=False, sentence=f"It waits for {noun} {named}{rest}.", advice=advice)


def _limits(situation: Situation, kind_limit: int | None) -> Iterator[Check]:
    """What its queue and kind allow."""
    job, at = situation.job, situation.at
    if situation.paused_at is not None:
        sentence = f"Queue {job.queue} has been paused for {span(at - situation.paused_at)}."
        advice = f"`jobdeck resume {shlex.quote(job.queue)}` lets it go on"
        yield Check(name="paused", holds=False, sentence=sentence, advice=advice)
    else:
        yield Check(name="paused", holds=True, sentence=f"Queue {job.queue} is not paused.")
    limits = (
        ("queue limit", f"Queue {job.queue}", situation.max_running, situation.queue_running),
        ("kind limit", f"Kind {job.kind}", kind_limit, situation.kind_running),
    )
    for name, what, limit, running in limits:
        if limit is not None:
            sentence = f"{what} runs {running:,} of at most {limit:,} at once."
            advice = "" if running < limit else "it goes on when one of them ends"
            yield Check(name=name, holds=running < limit, sentence=sentence, advice=advice)
    if situation.rate is not None and situation.rate_period is not None:
        allowed = f"Queue {job.queue} may start {situation.rate:,} every {span(situation.rate_period)}"
        left = situation.rate_free_in
        sentence = f"{allowed}." if left is None else f"{allowed}, and has; the next one in {span(left)}."
        yield Check(name="rate", holds=left is None, sentence=sentence, until=None if left is None else at + left)


def _workforce(situation: Situation) -> Iterator[Check]:
    """Who would run it, and when it is its turn."""
    workers = serving(situation)
    if not workers:
        sentence, advice = _nobody(situation)
        yield Check(name="workers", holds=False, sentence=sentence, advice=advice)
        return
    who = workers[0].id if len(workers) == 1 else f"{len(workers):,} workers"
    yield Check(name="workers", holds=True, sentence=f"Served by {who}.")
    if situation.suspects:
        yield _suspect(situation, workers)
    free, threads = _free(workers), sum(each.threads for each in workers)
    stuck = sum(each.stuck for each in workers)
    held = f"; {stuck:,} in code that was asked to stop and does not" if stuck else ""
    if free:
        sentence, advice = f"{free:,} of {threads:,} {_noun(threads, 'thread')} {'is' if free == 1 else 'are'} free{held}.", ""
    else:
        busy = f"All {threads:,} threads are busy" if threads > 1 else "The only thread is busy"
        sentence, advice = f"{busy}{held}.", "`jobdeck worker --threads N` adds some; so does > in the cockpit"
    yield Check(name="threads", holds=free > 0, sentence=sentence, advice=advice)
    if situation.ahead is None:
        return
    ahead = situation.ahead
    more = f"more than {AHEAD_COUNTED:,}" if ahead > AHEAD_COUNTED else f"{ahead:,}"
    sentence = f"{more[:1].upper()}{more[1:]} {_noun(ahead, 'job')} {'is' if ahead == 1 else 'are'} ahead of it."
    in_turn = ahead < free or ahead == 0
    advice = "" if in_turn else f"`jobdeck priority N {situation.job.id}` moves it up; its priority is {situation.job.priority}"
    yield Check(name="turn", holds=in_turn, sentence=sentence if ahead else "No job is ahead of it.", advice=advice)


def _suspect(situation: Situation, workers: Sequence[WorkerInfo]) -> Check:
    """Of a job that a crash has interrupted: one of them kills, and a worker runs no two of them side by side."""
    who = workers[0].id if len(workers) == 1 else f"each of {len(workers):,} workers"
    tried = [situation.suspects[each.id] for each in workers if each.id in situation.suspects]
    holds = len(tried) < len(workers)
    what = "and none now" if not tried else f"and now job {tried[0]}" if len(workers) == 1 else f"now {len(tried):,} of them"
    sentence = f"A crash has interrupted it; {who} runs one such job at a time, {what}."
    advice = "" if holds else "it goes on when one of those has ended; one more `jobdeck worker` takes it at once"
    return Check(name="suspect", holds=holds, sentence=sentence, advice=advice)


def _nobody(situation: Situation) -> tuple[str, str]:
    """Why no worker serves the job, and what to do."""
    job = situation.job
    start = "start one with `jobdeck worker`, or open the cockpit"
    alive = [each for each in situation.workers if each.alive]
    if not alive:
        heard = max((each.heartbeat_at for each in situation.workers), default=None)
        last = "" if heard is None else f"; the last one was heard of {span(situation.at - heard)} ago"
        return f"No worker is alive{last}.", start
    taking = [each for each in alive if could_serve(each, situation.at)]
    one = "The only live worker" if len(alive) == 1 else f"None of the {len(alive):,} live workers"
    if not taking:
        if all(each.draining for each in alive):
            return f"{one if len(alive) == 1 else 'Every live worker'} is ending, and claims nothing more.", start
        return "No live worker has a thread.", "give it some with --threads N, or with > in the cockpit"
    here = [each for each in taking if not each.queues or job.queue in each.queues]
    if not here:
        does = "does not serve" if len(alive) == 1 else "serves"
        return f"{one} {does} queue {job.queue}.", f"`jobdeck worker --queues {shlex.quote(job.queue)}` does"
    does = "does not know" if len(alive) == 1 else "that serves its queue knows"
    advice = "start one with --app or JOBDECK_APP naming the module that defines it"
    return f"{one} {does} kind {job.kind}.", advice


# -- the estimate ---------------------------------------------------------------------------------


def _estimate(situation: Situation, checks: Sequence[Check]) -> tuple[float | None, str]:
    """When it starts: seconds from now, and what that rests on.

    Little's law the other way round: of `ahead` jobs and the one itself, those for which no thread is free start as
    others end, at the pace of the recent past. Where the workers had little to do, their pace says nothing of what they
    can do: threads / mean run time does.
    """
    hard = [check for check in checks if not check.holds and check.name not in ("threads", "turn")]
    for check in hard:
        if check.until is None:
            return None, "nobody can say: it depends on what stands in its way"
    if hard:
        return max(0.0, *(check.until - situation.at for check in hard if check.until is not None)), "at the earliest"
    if situation.ahead is None:
        return None, ""
    workers = serving(situation)
    needed = situation.ahead + 1 - _free(workers)
    if needed <= 0:
        return 0.0, "a thread is free for it"
    pace = situation.pace
    if pace is None or not pace.ended:
        return None, "nothing that these workers serve has ended in the last hour"
    threads = max(1, sum(each.threads for each in workers))
    a_second = pace.ended / pace.seconds
    basis = f"{a_second:,.3g} a second, as in the last {span(pace.seconds)}"
    if a_second * pace.mean_run < _BUSY * threads and pace.mean_run > 0:
        a_second = threads / pace.mean_run
        basis = f"{threads:,} {_noun(threads, 'thread')}, {span(pace.mean_run)} a job in the last {span(pace.seconds)}"
    more = "at least: more are ahead than were counted; " if situation.ahead > AHEAD_COUNTED else ""
    return needed / a_second, more + basis


def _free(workers: Sequence[WorkerInfo]) -> int:
    return sum(max(0, each.threads - each.running) for each in workers)


# -- the words ------------------------------------------------------------------------------------


def _summary(job: Job, checks: Sequence[Check], starts_in: float | None) -> str:
    blockers = [check for check in checks if not check.holds]
    if not blockers:
        return f"Job {job.id} is about to start: nothing stands in its way."
    soft = all(check.name in ("threads", "turn") for check in blockers)
    lead = "waits its turn" if soft else "cannot start yet" if starts_in is not None else "cannot start"
    first = blockers[-1] if soft else blockers[0]
    reason = first.sentence.removesuffix(".")
    reason = reason[:1].lower() + reason[1:]
    more = len(blockers) - 1
    others = "" if soft or not more else f" (and {more} more {_noun(more, 'reason')} below)"
    when = f"; it should start in about {span(starts_in)}" if soft and starts_in is not None else ""
    return f"Job {job.id} {lead}: {reason}{others}{when}."


def _told(job: Job, check: Check) -> str:
    asked = ", and was asked to stop" if job.cancelling else ""
    return f"Job {job.id}{check.sentence.removeprefix('It').removesuffix('.')}{asked}."


def _noun(n: int, noun: str) -> str:
    return noun if n == 1 else f"{noun}s"


def span(seconds: float) -> str:
    """A length of time for a sentence: `0.4s`, `41s`, `2m10s`, `1h02m`, `3d04h`."""
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
