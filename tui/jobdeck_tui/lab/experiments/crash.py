"""Worker processes are killed with -9 in mid-job, again and again."""

from __future__ import annotations

from ..audit import LEFT_RUNNING, LOST_JOBS, OVERLAPPING_RUNS, Audit, Verdict
from ..drawing import lease_rows, lost_jobs, mood_of, row_cells
from ..naive_worker import add_jobs
from ..picture import LanePicture
from ..stage import Figure, Findings, LabProcess, Stage, StageLane
from ..watch import LaneSpec, LaneWatch
from ..wishes import Wish

_LEASE = 1.0
_SECONDS = 0.15
"""Seconds that a job works."""
_MORE = 4
"""The number of jobs that come with each kill of the viewer, so that there is always one in mid-run."""
_TOO_OFTEN = 8
"""A job that has started this often is spared: it may start ten times."""
LANES = (LaneSpec("naive", "no lease"), LaneSpec("jobdeck", "a lease, and heartbeats", is_jobdeck=True))
WISHES = (Wish("kill", "Kill a worker process in mid-job with kill -9; press it again and again"),)
_TOO_MANY = """
SELECT count(*) FROM (SELECT job FROM ledger JOIN jobs ON jobs.id = job WHERE event = 'start'
                       GROUP BY job HAVING count(*) > max(max_attempts))"""
_INTERRUPTED = """
SELECT count(*) FROM ledger AS kill JOIN ledger AS start ON start.pid = kill.pid AND start.event = 'start'
 WHERE kill.event = 'kill' AND NOT EXISTS
       (SELECT * FROM ledger AS over WHERE over.event = 'end' AND over.job = start.job AND over.pid = start.pid)"""


VIEWER = {"jobs": 50, "kills": 4, "rhythm": 0.6}
"""Sizes for a viewer, who wants to see each kill."""


def run(stage: Stage, *, jobs: int = 30, processes: int = 2, kills: int = 5, rhythm: float = 0.0) -> Findings:
    """Kill workers, and count what is lost.

    Args:
        stage: the stage.
        jobs: the number of jobs in each lane.
        processes: the number of worker processes; a killed one is replaced.
        kills: the number of kills in each lane.
        rhythm: the seconds before each of them.
    """
    naive = stage.lane("naive")
    jobdeck = stage.lane("jobdeck", is_jobdeck=True, lease=_LEASE)
    verdicts, figures = [], []
    for lane in (naive, jobdeck):
        _add_jobs(lane, jobs)
        for _ in range(processes):
            lane.start_worker("--atomic")
        for _ in range(kills):
            stage.pause(rhythm)
            if not _kill_one(lane):
                break
        _play_on(lane)
        lane.close()
        with lane.audit() as audit:
            verdicts += judge(audit)
            figures.append(Figure(lane.name, "kills", audit.count("SELECT count(*) FROM ledger WHERE event = 'kill'")))
            figures.append(Figure(lane.name, "jobs interrupted", audit.count(_INTERRUPTED)))
    notes = [
        "naive: a job that was running when its worker died stays running for ever.",
        f"jobdeck: its lease ({_LEASE:g} s here, 30 s by default) runs out, and another worker takes the job over.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    found = [
        audit.judge("lost jobs", LOST_JOBS, at_end=True),
        audit.judge("jobs left running for ever", LEFT_RUNNING, at_end=True),
    ]
    if audit.is_jobdeck:
        found.append(audit.judge("jobs that ran in two processes at once", OVERLAPPING_RUNS))
        found.append(audit.judge("jobs with more starts than max_attempts", _TOO_MANY))
    return found


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: the jobs, and the lease of each that runs; a dead worker's runs out, and another one takes the job."""
    lost = lost_jobs(lane)
    again = sum(max(0, n - 1) for n in lane.starts.values())
    caption = f"{lane.counts['kill']} killed · {again} taken over by others"
    cells, rows = row_cells(lane), lease_rows(lane, _LEASE)
    return LanePicture(
        lane.spec.name, lane.spec.what, str(lost), "jobs lost", mood_of(lost, started=bool(lane.starts)),
        (cells, rows), caption, lane.is_active,
    )  # fmt: skip


def _add_jobs(lane: StageLane, jobs: int) -> None:
    if lane.is_jobdeck:
        lane.queue.enqueue_bulk("lab.work", [{"ledger": str(lane.ledger), "seconds": _SECONDS}] * jobs)
    else:
        add_jobs(lane.database, [{"seconds": _SECONDS}] * jobs)


def _kill_one(lane: StageLane, *, at_once: bool = False) -> bool:
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
        victims[:] = [
            each
            for each in lane.processes
            if each.is_alive and each.pid in running and (running[each.pid].attempt or 0) < _TOO_OFTEN
        ]
        return bool(victims) or _is_settled(lane)

    lane.stage.wait(found, "a job to start")
    if not victims:
        return False
    if not at_once:
        lane.stage.pause(lane.stage.random.uniform(0, _SECONDS / 2))
    lane.stage.random.choice(victims).kill()
    lane.start_worker("--atomic")
    return True


def _play_on(lane: StageLane) -> None:
    """Run the remaining jobs; each kill that the viewer asks for comes with more of them."""
    while True:
        wishes: list[str] = []

        def is_over(wishes: list[str] = wishes) -> bool:
            if (wish := lane.stage.take_wish()) is not None:
                wishes.append(wish)
            return bool(wishes) or _is_settled(lane)

        lane.stage.wait(is_over, "the remaining jobs")
        if not wishes:
            return
        _add_jobs(lane, _MORE)
        _kill_one(lane, at_once=True)


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
