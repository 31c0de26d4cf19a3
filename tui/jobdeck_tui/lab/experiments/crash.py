"""Worker processes are killed with -9 in mid-job, again and again."""

from __future__ import annotations

from ..audit import LEFT_RUNNING, LOST_JOBS, OVERLAPPING_RUNS
from ..naive_worker import add_jobs
from ..stage import Figure, Findings, LabProcess, Stage, StageLane

_LEASE = 1.0
_SECONDS = 0.15
"""Seconds that a job works."""
_TOO_MANY = """
SELECT count(*) FROM (SELECT job FROM ledger JOIN jobs ON jobs.id = job WHERE event = 'start'
                       GROUP BY job HAVING count(*) > max(max_attempts))"""
_INTERRUPTED = """
SELECT count(*) FROM ledger AS kill JOIN ledger AS start ON start.pid = kill.pid AND start.event = 'start'
 WHERE kill.event = 'kill' AND NOT EXISTS
       (SELECT * FROM ledger AS over WHERE over.event = 'end' AND over.job = start.job AND over.pid = start.pid)"""


def run(stage: Stage, *, jobs: int = 30, processes: int = 2, kills: int = 5) -> Findings:
    """Kill workers, and count what is lost.

    Args:
        stage: the stage.
        jobs: the number of jobs in each lane.
        processes: the number of worker processes; a killed one is replaced.
        kills: the number of kills in each lane.
    """
    naive = stage.lane("naive")
    jobdeck = stage.lane("jobdeck", is_jobdeck=True, lease=_LEASE)
    verdicts, figures = [], []
    for lane in (naive, jobdeck):
        if lane.is_jobdeck:
            lane.queue.enqueue_bulk("lab.work", [{"ledger": str(lane.ledger), "seconds": _SECONDS}] * jobs)
        else:
            add_jobs(lane.database, [{"seconds": _SECONDS}] * jobs)
        for _ in range(processes):
            lane.start_worker("--atomic")
        done = 0
        while done < kills and _kill_one(lane):
            done += 1
        stage.wait(lambda lane=lane: _is_settled(lane), "the remaining jobs")  # type: ignore[misc]
        lane.close()
        with lane.audit() as audit:
            verdicts += [audit.judge("lost jobs", LOST_JOBS), audit.judge("jobs left running for ever", LEFT_RUNNING)]
            if lane.is_jobdeck:
                verdicts.append(audit.judge("jobs that ran in two processes at once", OVERLAPPING_RUNS))
                verdicts.append(audit.judge("jobs with more starts than max_attempts", _TOO_MANY))
            figures.append(Figure(lane.name, "kills", audit.count("SELECT count(*) FROM ledger WHERE event = 'kill'")))
            figures.append(Figure(lane.name, "jobs interrupted", audit.count(_INTERRUPTED)))
    notes = [
        "naive: a job that was running when its worker died stays running for ever.",
        f"jobdeck: its lease ({_LEASE:g} s here, 30 s by default) runs out, and another worker takes the job over.",
    ]
    return Findings(verdicts, figures, notes)


def _kill_one(lane: StageLane) -> bool:
    """Wait for a job in mid-run, kill its worker, and start another one; return `False` if all jobs are done."""
    victims: list[LabProcess] = []

    def found() -> bool:
        _show(lane)
        running = {}
        for line in lane.lines:
            if line.event == "start":
                running[line.pid] = line
            elif line.event in ("end", "kill"):
                running.pop(line.pid, None)
        victims[:] = [each for each in lane.processes if each.is_alive and each.pid in running]
        return bool(victims) or _is_settled(lane)

    lane.stage.wait(found, "a job to start")
    if not victims:
        return False
    lane.stage.pause(lane.stage.random.uniform(0, _SECONDS / 2))
    lane.stage.random.choice(victims).kill()
    lane.start_worker("--atomic")
    return True


def _show(lane: StageLane) -> None:
    """Count for the audience, and report which jobs were taken over since the last time."""
    seen = len(lane.lines)
    for line in lane.read_ledger()[seen:]:
        if line.event == "start" and (line.attempt or 0) > 1:
            lane.report(f"job {line.job} runs again, in worker {line.pid}")
    lane.stage.show(lane.name, kills=lane.count("kill"), run=len({each.job for each in lane.lines if each.event == "end"}))


def _is_settled(lane: StageLane) -> bool:
    """Return whether nothing more will happen: every job is done, or runs in a process that is dead."""
    _show(lane)
    if lane.is_jobdeck:
        return lane.queue.count("state:completed,failed,cancelled") == lane.queue.count()
    alive = ",".join(str(each.pid) for each in lane.processes if each.is_alive)
    with lane.audit() as audit:
        return not audit.count(
            f"SELECT count(*) FROM jobs WHERE state = 'pending' OR (state = 'running' AND worker IN ({alive}))"
        )
