"""The list of experiments, and how one is run."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from importlib import import_module
from types import ModuleType
from typing import Any

import apsw

from jobdeck import __version__, record

from ..scratch_folder import scratch_folder
from .inside import Section
from .live import LiveView, LiveViewer, lanes_of
from .stage import Findings, Stage, TimelineEvent
from .wishes import Wish


@record
class Experiment:
    """One experiment of the lab."""

    name: str
    claim: str
    """Its claim, in one line."""
    takes: str
    """About how long it takes."""

    @property
    def module(self) -> str:
        """Return the name of its module."""
        return self.name.replace("-", "_")


EXPERIMENTS = {
    each.name: each
    for each in (
        Experiment("scheduler", "Play two workers step by step, or try every order", "1 s"),
        Experiment("race", "Eight processes, a thousand jobs: no job runs twice", "10 s"),
        Experiment("crash", "Workers killed with -9 in mid-job: no job is lost", "10 s"),
        Experiment("zombie", "A worker that comes back late overwrites no result", "6 s"),
        Experiment("poison", "A job that kills its workers fails; the others run", "10 s"),
        Experiment("shutdown", "SIGTERM under load: nothing is left running", "6 s"),
        Experiment("side-effects", "At least once, and an idempotency key against it", "8 s"),
        Experiment("retry-storm", "A dependency comes back: fixed delay beside full jitter", "15 s"),
        Experiment("starvation", "Priorities starve a job; ageing lets it run", "15 s"),
        Experiment("backlog", "Threads added live: the forecast beside what came", "30 s"),
        Experiment("wake-up", "How soon an idle worker starts a job: polling or events", "10 s"),
        Experiment("contention", "Threads enqueue at once: busy timeout or shared commits", "6 s"),
        Experiment("durability", "What an acknowledgement is worth, and what it costs", "6 s"),
    )
}


@record
class LabReport:
    """One run of an experiment."""

    experiment: Experiment
    seed: int
    seconds: float
    findings: Findings
    timeline: tuple[TimelineEvent, ...]
    machine: Mapping[str, str]
    """The machine and the settings of the run: cores, system, versions, durability."""
    inside: tuple[Section, ...] = ()
    """The SQL behind it: statements, query plans, places in the code."""

    @property
    def is_broken(self) -> bool:
        """Return whether an invariant of jobdeck's own lane is broken."""
        return any(verdict.is_broken for verdict in self.findings.verdicts)

    @property
    def command(self) -> str:
        """Return the command that repeats it."""
        return f"jobdeck lab {self.experiment.name} --seed {self.seed}"

    @property
    def harmless(self) -> tuple[str, ...]:
        """Return the lanes that should have failed, and did not in this run."""
        failed = {each.lane for each in self.findings.verdicts if not each.holds}
        lanes = dict.fromkeys(each.lane for each in self.findings.verdicts)
        return tuple(lane for lane in lanes if lane in MUST_FAIL and lane not in failed)


MUST_FAIL = frozenset(("naive", "unfenced", "without a key", "fixed delay", "no ageing", "polling"))
"""The lanes that are there to fail."""


def module_of(name: str) -> ModuleType:
    """Return the module of an experiment: `run`, and for those with a live picture `LANES`, `draw` and `judge`."""
    return import_module(f".experiments.{EXPERIMENTS[name].module}", __package__)


def wishes_of(name: str) -> Sequence[Wish]:
    """Return what a viewer may ask of an experiment while it is played."""
    wishes: Sequence[Wish] = getattr(module_of(name), "WISHES", ())
    return wishes


def describe_machine() -> dict[str, str]:
    """Return what matters about the machine and the versions."""
    return {
        "jobdeck": __version__,
        "Python": platform.python_version(),
        "SQLite": apsw.sqlite_lib_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "durability": "synchronous=FULL, unless the lane says otherwise; NORMAL in lanes that are there to fail",
    }


def run_experiment(
    name: str,
    *,
    seed: int,
    on_stage: Callable[[Stage], None] = lambda _: None,
    on_event: Callable[[TimelineEvent], None] = lambda _: None,
    on_figures: Callable[[str, Mapping[str, float]], None] = lambda _lane, _figures: None,
    on_view: Callable[[LiveView], None] | None = None,
    **size: Any,
) -> LabReport:
    """Run an experiment in a scratch folder, and remove everything at its end.

    Args:
        name: a name of `EXPERIMENTS`.
        seed: the seed of everything that is random in it.
        on_stage: called with the stage before it starts; set `stage.stopped` to end it early.
        on_event: called with everything that happens.
        on_figures: called with a lane and its numbers, as they are counted.
        on_view: called many times a second with the picture and the verdicts so far, on a thread of its own.
        size: parameters of the experiment, to make it smaller.

    Raises:
        KeyError: no experiment has this name.
        ExperimentStopped: `stage.stopped` was set.
        ExperimentStuck: something did not happen in time.
        StoreRefused: no folder for temporary files can be written to.
    """
    experiment = EXPERIMENTS[name]
    module = module_of(name)
    with (
        scratch_folder("jobdeck-lab-", "The lab") as folder,
        Stage(folder, seed=seed, on_event=on_event, on_figures=on_figures) as stage,
    ):
        stage.has_viewer = on_view is not None
        on_stage(stage)
        with LiveViewer(module, stage, on_view) if on_view is not None and lanes_of(module) else nullcontext():
            findings: Findings = module.run(stage, **size)
        seconds = stage.elapsed
        inside = stage.look_inside(name)
        return LabReport(experiment, seed, seconds, findings, tuple(stage.timeline), describe_machine(), inside)
