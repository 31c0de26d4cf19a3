"""The acts that the steps of the tour run. Each runs on a thread of its own and can be stopped at any time."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jobdeck import JobdeckError, State

from ..demo.demo import Demo
from ..demo.kinds import PAYMENTS
from ..lab import engine_probe
from ..lab.catalog import run_experiment
from ..lab.child_process import start_module
from ..lab.computing import time_computing
from ..lab.scheduler.board import Board
from ..lab.scheduler.interleavings import Enumeration, enumerate_interleavings
from ..lab.scheduler.ladder import ladder
from ..lab.scheduler.programs import ATOMIC, IMMEDIATE, JOBDECK, NAIVE, Program
from ..lab.stage import ExperimentStopped, ExperimentStuck, Stage, TimelineEvent, describe_problem
from ..scratch_folder import scratch_folder
from .picture import ActResult, Line, bar, figure_lines, verdict_lines
from .row_locks import play_row_locks

SEED = 7
_CLOSING = 3.0
"""Seconds that closing waits for the thread."""
_BEAT = 0.35
"""Seconds between two steps of the ladder."""
_EVENTS = 4
"""The number of newest events below the numbers."""
_CHARGES = 24
_OUTAGE = 4.0
"""Seconds."""
_POLL = 0.1
_PATIENCE = 40.0
_CELLS = {
    State.PENDING: ("○", "pending"),
    State.RUNNING: ("▸", "running"),
    State.RETRYING: ("↻", "retrying"),
    State.COMPLETED: ("√", "completed"),
    State.FAILED: ("✗", "failed"),
}


class ActStopped(Exception):
    """The presenter has left the step."""


@dataclass
class ActStage:
    """The surroundings of an act."""

    demo: Demo
    show: Callable[[Sequence[Line]], None]
    """Shows the audience how far it is."""
    server: str | None = None
    """The address of a PostgreSQL database, if one is configured."""
    stopped: threading.Event = field(default_factory=threading.Event)
    experiment: Stage | None = None

    def pause(self, seconds: float) -> None:
        """Wait, unless the presenter leaves.

        Raises:
            ActStopped: the presenter has left.
        """
        if self.stopped.wait(seconds):
            raise ActStopped


Act = Callable[[ActStage], ActResult]


class ActRun:
    """Runs an act on a thread of its own."""

    def __init__(self, act: Act, demo: Demo, on_change: Callable[[], None], *, server: str | None = None) -> None:
        """Start the act.

        Args:
            act: the act.
            demo: the demo beside which it runs.
            on_change: called on the act's thread after each change.
            server: the address of a PostgreSQL database, for an act on it.
        """
        self.lines: Sequence[Line] = ()
        """Its present picture."""
        self.result: ActResult | None = None
        self.problem = ""
        """The reason why it came to no end, in a sentence; empty if it did."""
        self._on_change = on_change
        self._closed = False
        self._act = act
        self._stage = ActStage(demo, self._show, server)
        self._thread = threading.Thread(target=self._run, name="jobdeck-tour", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Return whether it has not ended."""
        return self.result is None and not self.problem

    def close(self) -> None:
        """End it, with its processes and files."""
        self._closed = True
        self._stage.stopped.set()
        if self._stage.experiment is not None:
            self._stage.experiment.stopped.set()
        self._thread.join(_CLOSING)

    def _run(self) -> None:
        try:
            self.result = self._act(self._stage)
            self.lines = self.result.lines
        except (ActStopped, ExperimentStopped):
            self.problem = "Stopped."
        except (ExperimentStuck, JobdeckError, ConnectionError) as error:
            self.problem = f"{error}."
        except Exception as error:  # shown on the screen: the presentation goes on
            self.problem = f"{describe_problem(error)}."
        if not self._closed:
            self._on_change()

    def _show(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        if not self._closed:
            self._on_change()


# -- every order -----------------------------------------------------------------------------------


def _orders(stage: ActStage, *programs: Program) -> ActResult:
    with scratch_folder("jobdeck-lab-", "The tour") as folder:
        lines: list[Line] = []
        found: list[Enumeration] = []
        for program in programs:
            stage.show([*lines, [(f"{program.title}: trying every order …", "quiet")]])
            each = enumerate_interleavings(program, folder, is_stopped=stage.stopped.is_set)
            stage.pause(0)
            found.append(each)
            good = not each.bad
            lines.append(
                [
                    ("✓ " if good else "✗ ", "good" if good else "error"),
                    (f"{each.bad} of {each.total} orders", "strong"),
                    (f" run the job twice: {program.title}", ""),
                ]
            )
            stage.show(lines)
        for each in found:
            if each.counterexample is not None:
                lines += _play(stage, each, folder, lines)
    text = ", ".join(f"{each.program.name} {each.bad} of {each.total}" for each in found)
    broken = any(each.bad and each.program.is_jobdeck for each in found)
    return ActResult(f"Orders that run it twice: {text}.", lines, broken)


def _play(stage: ActStage, found: Enumeration, folder: Path, above: Sequence[Line]) -> list[Line]:
    """Play the shortest counterexample step by step, and return its ladder."""
    assert found.counterexample is not None
    drawn: list[Line] = []
    with Board(found.program, folder, workers=found.workers) as board:
        for worker in found.counterexample:
            board.step(worker)
            texts = ladder(board.moves, found.workers, column=24)
            drawn = [_ladder_line(n, text) for n, text in enumerate(texts)]
            stage.show([*above, *drawn])
            stage.pause(_BEAT)
    return drawn


def _ladder_line(number: int, text: str) -> Line:
    before, sign, after = text.partition(" ✗ again")
    if sign:
        return [(before + sign, "error"), (after, "")]
    return [(text, "" if number else "quiet")]


# -- experiments of the lab ------------------------------------------------------------------------


def _experiment(stage: ActStage, name: str, headline: Callable[[Mapping[str, float]], str], **size: Any) -> ActResult:
    figures: dict[str, Mapping[str, float]] = {}
    events: list[TimelineEvent] = []

    def draw() -> None:
        newest: list[Line] = [
            [(f"{each.at:5.1f} s  ", "quiet"), (f"{each.lane}: ", "accent"), (each.text, "")] for each in events[-_EVENTS:]
        ]
        stage.show([*figure_lines(figures), *newest])

    def on_event(event: TimelineEvent) -> None:
        events.append(event)
        draw()

    def on_figures(lane: str, counted: Mapping[str, float]) -> None:
        if figures.get(lane) != counted:
            figures[lane] = dict(counted)
            draw()

    def on_stage(of_lab: Stage) -> None:
        stage.experiment = of_lab
        if stage.stopped.is_set():
            of_lab.stopped.set()

    report = run_experiment(name, seed=SEED, on_stage=on_stage, on_event=on_event, on_figures=on_figures, **size)
    findings = report.findings
    counted = {f"{each.lane}: {each.claim}": each.value for each in findings.verdicts}
    counted |= {f"{each.lane}: {each.name}": each.value for each in findings.figures}
    lines = [*verdict_lines(findings.verdicts)]
    lines += [
        [(f"The lane {lane} was to fail, and did not in this run.", "warning")]
        for lane in report.harmless
    ]  # fmt: skip
    return ActResult(headline(counted), lines, report.is_broken)


def _say_race(counted: Mapping[str, float]) -> str:
    twice = {lane: counted[f"{lane}: jobs that ran twice"] for lane in ("naive", "jobdeck")}
    return f"Jobs that ran twice: naive {twice['naive']:g}, jobdeck {twice['jobdeck']:g}."


def _say_crash(counted: Mapping[str, float]) -> str:
    return f"Lost jobs: naive {counted['naive: lost jobs']:g}, jobdeck {counted['jobdeck: lost jobs']:g}."


def _say_zombie(counted: Mapping[str, float]) -> str:
    name = "results that a stale worker has overwritten"
    return f"Overwritten results: unfenced {counted[f'unfenced: {name}']:g}, jobdeck {counted[f'jobdeck: {name}']:g}."


def _say_contention(counted: Mapping[str, float]) -> str:
    own, shared = (counted[f"{lane}: enqueues a second"] for lane in ("busy timeout", "jobdeck"))
    return f"Durable enqueues a second: {own:,.0f} alone, {shared:,.0f} shared ({shared / max(1.0, own):.1f}×)."


def _say_wake_up(counted: Mapping[str, float]) -> str:
    polling, events = (counted[f"{lane}: ms from enqueue to start, at the median"] for lane in ("polling", "jobdeck"))
    return f"Enqueue to start, median: polling {polling:.0f} ms, events {events:.0f} ms."


def _say_effects(counted: Mapping[str, float]) -> str:
    without, with_key = (counted[f"{lane}: cards charged twice"] for lane in ("without a key", "with a key"))
    return f"Cards charged twice: without a key {without:g}, with a key {with_key:g}."


# -- in the demo -----------------------------------------------------------------------------------


def _outage(stage: ActStage) -> ActResult:
    """Enqueue charges while the payment provider is down, and follow each of them."""
    demo, queue = stage.demo, stage.demo.queue
    demo.faults.take_down(_OUTAGE)
    jobs = queue.enqueue_bulk(
        "billing.charge", [{"order_id": 800_000 + n, "amount_cents": 1990} for n in range(_CHARGES)], priority=20
    )
    waited = 0.0
    while True:
        states = [job.state for job in queue.get_many(jobs)]
        stage.show(_cells(states, is_down=demo.faults.is_payment_down))
        if all(state.is_final for state in states) or waited > _PATIENCE:
            break
        stage.pause(_POLL)
        waited += _POLL
    charges = queue.get_many(jobs)
    failed = sum(job.state is State.FAILED for job in charges)
    tries = sum(job.attempt for job in charges)
    lines = [
        _row([job.state for job in charges]),
        [],
        [("✓ " if not failed else "✗ ", "good" if not failed else "error"), (f"{failed}", "strong"), (" failed for good", "")],
        [("  ", ""), (f"{tries}", "strong"), (f" attempts for {len(charges)} charges: the others were retries", "")],
    ]
    text = f"{failed} of {len(charges)} charges failed for good, after {tries - len(charges)} retries."
    return ActResult(text, lines, failed > 0)


def _cells(states: Sequence[State], *, is_down: bool) -> list[Line]:
    """Return a cell for each job, and how many are in each state."""
    provider: Line = [(f"{PAYMENTS}: ", "quiet"), ("down", "error") if is_down else ("up", "good")]
    counts: list[Line] = [
        [(f"{sign} {state.value:<10} ", meaning), (f"{n:>3} ", "strong"), (bar(n, _CHARGES), meaning)]
        for state, (sign, meaning) in _CELLS.items()
        for n in (states.count(state),)
    ]  # fmt: skip
    return [provider, [], _row(states), [], *counts]


def _row(states: Sequence[State]) -> Line:
    cells = (_CELLS.get(state, ("·", "quiet")) for state in states)
    return [(f"{sign} ", meaning) for sign, meaning in cells]


def _engine(stage: ActStage) -> ActResult:
    """Let another process open the demo's queue, and count what it has imported."""
    folder = stage.demo.folder
    output = folder / "engine.json"
    words = [engine_probe.__name__, stage.demo.queue.where, str(output)]
    stage.show([[("starts a Python process …", "quiet")]])
    process = start_module(words, folder, {})
    try:
        while process.poll() is None:
            stage.pause(_POLL)
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
    found = json.loads(output.read_text())
    output.unlink()
    of_front = found["front"]
    code = "from jobdeck import Queue\nwith Queue('demo.db') as queue:\n    print(queue.count())"
    lines: list[Line] = [[(text, "accent")] for text in code.splitlines()]
    lines += [
        [],
        [("  jobs it sees       ", "quiet"), (f"{found['jobs']:,}", "strong")],
        [("  engine modules     ", "quiet"), (f"{found['engine']}", "strong")],
        [("  front modules      ", "quiet"), (f"{of_front}", "good" if not of_front else "error")],
        [("  Textual's modules  ", "quiet"), (f"{found['textual']}", "good" if not found["textual"] else "error")],
    ]
    headline = f"Front modules that the engine loaded: {of_front} (its own: {found['engine']})."
    return ActResult(headline, lines, of_front > 0)


# -- cores -----------------------------------------------------------------------------------------

_COMPUTING = 16
"""Jobs in each lane."""
_WORKERS = 4


def _cores(stage: ActStage) -> ActResult:
    """Run jobs that compute on threads, then in processes."""
    took: dict[str, float] = {}
    done: dict[str, int] = {}
    with stage.demo.workload.held(), scratch_folder("jobdeck-lab-", "The tour") as folder:
        for lane, option in (("4 threads", "--threads"), ("4 processes", "--processes")):
            (folder / lane).mkdir()
            on_done = partial(_show_cores, stage, took, done, lane)
            took[lane] = time_computing(folder / lane, (option, str(_WORKERS)), _COMPUTING, on_done, stage.pause)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads, processes = took.values()
    rates = {lane: _COMPUTING / seconds for lane, seconds in took.items()}
    most = max(rates.values())
    lines: list[Line] = [
        [(f"{lane:<12} ", "accent"), (f"{rate:6.1f} jobs/s ", "strong"), (bar(rate, most), "accent")]
        for lane, rate in rates.items()
    ]
    load = f", and a load of {os.getloadavg()[0]:.0f} in the last minute" if hasattr(os, "getloadavg") else ""
    lines.append([(f"This machine has {cores} core{'s' * (cores != 1)}{load}.", "quiet")])
    return ActResult(f"{threads / processes:.1f} times as fast in processes, on {cores} core{'s' * (cores != 1)}.", lines)


def _show_cores(stage: ActStage, took: Mapping[str, float], done: dict[str, int], lane: str, n: int) -> None:
    done[lane] = n
    stage.show(
        [
            [(f"{name:<12} ", "accent"), (f"{count:>3} ", "strong"), (bar(count, _COMPUTING), "accent"),
             (f"  {took[name]:.1f} s" if name in took else "", "quiet")]
            for name, count in done.items()
        ]
    )  # fmt: skip


def _row_locks(stage: ActStage) -> ActResult:
    """Let workers claim on the PostgreSQL server; the tour has this step only if there is one."""
    assert stage.server is not None
    return play_row_locks(stage.server, stage.show, stage.pause, stage.stopped.is_set)


ACTS: Mapping[str, Act] = {
    "naive-orders": lambda stage: _orders(stage, NAIVE),
    "atomic-orders": lambda stage: _orders(stage, ATOMIC, IMMEDIATE),
    "jobdeck-orders": lambda stage: _orders(stage, JOBDECK),
    "race": lambda stage: _experiment(stage, "race", _say_race, jobs=300, processes=6),
    "crash": lambda stage: _experiment(stage, "crash", _say_crash, jobs=8, kills=2),
    "zombie": lambda stage: _experiment(stage, "zombie", _say_zombie),
    "contention": lambda stage: _experiment(stage, "contention", _say_contention),
    "wake-up": lambda stage: _experiment(stage, "wake-up", _say_wake_up, jobs=10),
    "side-effects": lambda stage: _experiment(stage, "side-effects", _say_effects, jobs=2),
    "outage": _outage,
    "engine": _engine,
    "cores": _cores,
    "row-locks": _row_locks,
}
