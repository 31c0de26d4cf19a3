"""`jobdeck lab`: concurrency experiments, headless."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from .common import CliContext, CommandError, Subcommand
from .completers import complete_experiments
from .output import dim, print_json, tick
from .param_types import WholeNumber
from .path_completers import complete_files

if TYPE_CHECKING:
    from ..lab.catalog import LabReport
    from ..lab.stage import TimelineEvent

LIST = "list"
NOTES = "notes"
"""In place of an experiment: the speaker notes of the tour."""
SCHEDULER = "scheduler"
_MOST = 2**31 - 1


@click.command(
    "lab",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck lab                                  list the experiments
  jobdeck lab race --seed 7
  jobdeck lab crash --report crash.html
  jobdeck lab notes                            speaker notes, beside `jobdeck demo --tour`
  jobdeck lab zombie --json | jq '.verdicts[] | select(.holds | not)'
""",
)
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete_experiments)
@click.option("--seed", type=WholeNumber(0, _MOST), metavar="N", help="Seed of what is random (default: a new one).")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    shell_complete=complete_files,
    help="Write a self-contained HTML page, too.",
)
@click.pass_obj
def lab_command(front: CliContext, name: str | None, seed: int | None, report: Path | None) -> int:
    """Run a concurrency experiment on a scratch queue: real workers, real faults, and what they left behind.

    Each experiment runs a naive queue beside jobdeck and counts double runs, lost jobs and the like from a ledger that
    the jobs write and from the committed rows. Your own queue is not opened; with a PostgreSQL database as --db,
    `scheduler` plays on that server, too, in a scratch schema that it drops. Exits 1 if jobdeck broke a promise. Without
    NAME, or with `list`, lists the experiments. `notes` shows the speaker notes of the tour: on a terminal those of the
    step that a running `jobdeck demo --tour` is at, otherwise all of them.
    """
    from ..lab.catalog import EXPERIMENTS

    if name is None or name == LIST:
        if report is not None or seed is not None:
            raise click.UsageError("--seed and --report belong to an experiment; name one")
        _list(front)
        return 0
    if name == NOTES:
        if report is not None or seed is not None:
            raise click.UsageError("--seed and --report belong to an experiment")
        from .tour_notes import show_notes

        show_notes(front)
        return 0
    if name not in EXPERIMENTS:
        from jobdeck import did_you_mean

        hint = did_you_mean(name, EXPERIMENTS) or "; `jobdeck lab` lists the experiments"
        raise click.BadParameter(f"unknown experiment {name!r}{hint}", param_hint="NAME")
    if report is not None and not report.parent.is_dir():
        raise CommandError(f"The folder of {report} does not exist; the experiment was not run.")
    made = _run(front, name, SystemRandom().randrange(10_000) if seed is None else seed)
    if report is not None:
        from ..lab.report_page import report_page

        report.write_text(report_page(made), encoding="utf-8")
    if front.json:
        print_json(_document(made))
    else:
        _print(made, report)
    return 1 if made.is_broken else 0


def _list(front: CliContext) -> None:
    from ..lab.catalog import EXPERIMENTS

    width = max(map(len, EXPERIMENTS))
    for each in EXPERIMENTS.values():
        if front.json:
            print_json({"name": each.name, "claim": each.claim, "takes": each.takes})
        else:
            click.echo(f"{click.style(each.name.ljust(width), bold=True)}  {each.claim} {dim(f'({each.takes})')}")


def _run(front: CliContext, name: str, seed: int) -> LabReport:
    import apsw

    from ..lab.catalog import run_experiment
    from ..lab.scheduler.programs import server_of
    from ..lab.stage import ExperimentStuck

    def show(event: TimelineEvent) -> None:
        click.echo(dim(f"{event.at:7.2f} s  {event.lane}: {event.text}"), err=True)

    try:
        with _ending_on_sigterm():
            size: dict[str, Any] = {"server": server_of(front.settings.database)} if name == SCHEDULER else {}
            return run_experiment(name, seed=seed, on_event=(lambda _: None) if front.json else show, **size)
    except OSError as error:
        raise CommandError(f"{error.strerror or error}; nothing was decided.") from None
    except apsw.Error as error:  # of the naive queues, which have no errors of their own
        raise CommandError(f"The scratch files cannot be used: {error}; nothing was decided.") from None
    except ExperimentStuck as stuck:
        raise CommandError(f"{stuck}; nothing was decided. Run it again on a less busy machine.") from None


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """End at SIGTERM as an exception does, so that processes and files are removed."""

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print(report: LabReport, page: Path | None) -> None:
    findings = report.findings
    click.echo(click.style(f"{report.experiment.claim}.", bold=True))
    width = max(len(each.lane) for each in findings.verdicts)
    for each in findings.verdicts:
        mark = click.style(tick(each.holds), fg="green" if each.holds else "red")
        click.echo(f"{mark} {each.lane.ljust(width)}  {each.value:>5g} {each.claim} {dim(f'(must be {each.limit})')}")
    for figure in findings.figures:
        click.echo(
            dim(f"  {figure.lane.ljust(width)}  {figure.value:>5g} {figure.unit}{' ' if figure.unit else ''}{figure.name}")
        )
    if findings.ladder:
        click.echo("\nThe shortest counterexample:")
        click.echo("\n".join(findings.ladder))
    click.echo()
    for note in findings.notes:
        click.echo(note)
    for lane in report.harmless:
        click.echo(f"The lane {lane} was to fail, and did not in this run; run it again.")
    if report.is_broken:
        click.echo(click.style("jobdeck broke a promise in this run. Please report it, with the page of --report.", fg="red"))
    repeat = f"Repeat it with `{report.command}`."
    click.echo(dim(repeat if page is None else f"Wrote {page}. {repeat}"))


def _document(report: LabReport) -> dict[str, object]:
    findings = report.findings
    return {
        "experiment": report.experiment.name,
        "claim": report.experiment.claim,
        "seed": report.seed,
        "seconds": round(report.seconds, 3),
        "broken": report.is_broken,
        "did_not_fail": list(report.harmless),
        "verdicts": [asdict(each) for each in findings.verdicts],
        "figures": [asdict(each) for each in findings.figures],
        "notes": list(findings.notes),
        "ladder": list(findings.ladder),
        "timeline": [asdict(each) for each in report.timeline],
        "machine": dict(report.machine),
    }
