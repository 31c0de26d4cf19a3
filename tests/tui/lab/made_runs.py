"""Runs of experiments that were made up: a ledger and rows for each lane, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from jobdeck_tui.lab.audit import Verdict
from jobdeck_tui.lab.catalog import EXPERIMENTS, LabReport, module_of
from jobdeck_tui.lab.ledger import LedgerLine
from jobdeck_tui.lab.live import LiveView, lanes_of
from jobdeck_tui.lab.picture import Picture
from jobdeck_tui.lab.stage import Figure, Findings
from jobdeck_tui.lab.watch import JobRow, LaneWatch, Watch

PHASES = ("before", "mid", "end")
PLAYED = tuple(name for name in EXPERIMENTS if name != "scheduler")
_ZERO = 1000.0
"""The time at which each lane starts."""
_FIRST_PID = 4021


class MadeLane:
    """A lane with made-up lines and rows."""

    def __init__(self, watch: LaneWatch, share: float) -> None:
        self.watch = watch
        self.share = share
        self.random = Random(watch.spec.name)
        self.rows: list[JobRow] = []
        self.pids: list[int] = []

    def line(self, at: float, event: str, job: int | None = None, attempt: int = 1, pid: int = _FIRST_PID, **more: Any) -> None:
        if at <= self.share * 4:
            self.watch.lines.append(made := LedgerLine(_ZERO + at, event, job, attempt, pid, more))
            self.watch._follow(made)

    def row(self, job: int, state: str, pid: int | None = None, lease: float | None = None, attempt: int = 1) -> None:
        self.rows.append(JobRow(job, state, attempt, pid, lease, 0))

    def run(self, at: float, job: int, seconds: float, *, attempt: int = 1, pid: int = _FIRST_PID) -> None:
        self.line(at, "start", job, attempt, pid)
        self.line(at + seconds, "end", job, attempt, pid)


def _play(name: str, lane: MadeLane) -> None:
    first = lane.watch.spec.name not in ("jobdeck", "with a key", "full jitter", "ageing")
    plan = {"jobs": 1000 if name == "race" else 40 if name != "contention" else 320, "processes": 8, "threads": 8}
    lane.line(0, "plan", None, **plan, limit=15)
    last = _FIRST_PID + 5
    match name:
        case "race":
            for job in range(1, 1001):
                lane.run(job * 0.004, job, 0.001)
                if first and lane.random.random() < 0.15:
                    lane.run(job * 0.004, job, 0.001, pid=_FIRST_PID + 1)
        case "crash" | "poison" | "shutdown" | "zombie" | "side-effects":
            lane.pids = [_FIRST_PID, _FIRST_PID + 1]
            for job in range(2, 41):
                lane.run(job * 0.09, job, 0.08, pid=last)
            lane.line(0.3, "start", 1)
            lane.line(0.35, "effect", 1)
            stopped = name == "zombie"
            lane.line(0.5, "stop" if stopped else "term" if name == "shutdown" else "kill")
            lane.line(1.5, "start", 1, 2, _FIRST_PID + 1)
            lane.line(1.6, "effect", 1, 2, _FIRST_PID + 1)
            if name == "shutdown":
                lane.line(2.3, "exit", code=0)
            lane.line(2.5, "continue" if stopped else "note")
            lane.row(1, "running", _FIRST_PID, None if first else 0.4)
            for job in range(2, 41):
                lane.row(job, "completed" if job / 40 < lane.share else "pending")
        case "retry-storm":
            for job in range(1, 61):
                for attempt in range(1, 6):
                    spread = lane.random.uniform(0, 0.2 if first else 0.9)
                    lane.line(attempt * 0.7 + spread - 0.6, "start", job, attempt)
            lane.line(3.0, "back")
        case "starvation":
            lane.line(0.1, "enqueue", 5)
            for job in range(1, 40):
                if job != 5:
                    lane.run(job * 0.1, job, 0.08)
            lane.run(3.9 if first else 1.0, 5, 0.08)
            for job in range(1, 41):
                lane.row(job, "completed" if job / 40 < lane.share else "pending")
        case "backlog":
            for n in range(16):
                lane.line(n * 0.25, "depth", n=max(0, 40 - 2 * n))
            lane.line(0.01, "threads", n=1)
            lane.line(1.0, "threads", n=4)
            lane.line(2.0, "forecast", seconds=20.0, ready=24)
            lane.line(3.9, "empty")
        case "wake-up":
            for job in range(1, 21):
                wait = lane.random.uniform(0.02, 0.5) if first else lane.random.uniform(0.001, 0.009)
                lane.line(job * 0.17, "put", job)
                lane.line(job * 0.17 + wait, "start", job)
        case _:
            at = 0.0
            for job in range(1, 321):
                at += lane.random.uniform(0.002, 0.02 if first else 0.005)
                lane.line(at, "ack", job, waited=lane.random.uniform(0.001, 0.3))
                lane.run(at, job, 0.001)
    if lane.watch.counts["kill"]:
        lane.watch.caption = "kill -9 4021"
    lane.watch.now = _ZERO + lane.share * 4


def made_view(name: str, phase: str) -> LiveView | None:
    """The view of an experiment at one of `PHASES`; `None` before anything was seen."""
    if phase == "before":
        return None
    module: Any = module_of(name)
    watch = Watch(lanes_of(module))
    played = len(watch.lanes) - 1
    shares = [1.0] * len(watch.lanes) if phase == "end" else [*[1.0] * played, 0.5][-len(watch.lanes) :]
    pictures = []
    for lane, share in zip(watch.lanes, shares, strict=True):
        made = MadeLane(lane, share)
        _play(name, made)
        lane._rows = made.rows
        pids: Sequence[int] = made.pids
        lane.__class__ = type("MadeWatch", (LaneWatch,), {"pids": property(lambda _, pids=pids: pids)})
        lane.is_active = share < 1
        pictures.append(module.draw(lane))
    return LiveView(4.2, Picture(tuple(pictures)), _verdicts([lane.spec.name for lane in watch.lanes]))


def _verdicts(lanes: list[str]) -> tuple[Verdict, ...]:
    query = "SELECT count(*) FROM (SELECT job FROM ledger WHERE event = 'start' GROUP BY job HAVING count(*) > 1)"
    return tuple(
        Verdict(lane, claim, n if lane == lanes[0] else 0, "0", lane != lanes[0] or not n, lane == lanes[-1], query, at_end)
        for lane in lanes
        for claim, n, at_end in (("jobs that ran twice", 37, False), ("lost jobs", 0, True))
    )


def made_report(name: str, view: LiveView) -> LabReport:
    """The report of a run that has ended with this view."""
    notes = ("naive: a worker SELECTs the next job, then UPDATEs it.", "jobdeck: the claim is one UPDATE.")
    findings = Findings(view.verdicts, (Figure("naive", "runs", 1037),), notes)
    return LabReport(EXPERIMENTS[name], 7, view.at, findings, (), {})
