"""`jobdeck doctor`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jobdeck import Finding, Severity, doctor

from ..text.sanitize import pad, safe
from .common import CliContext, Subcommand
from .output import count_of, dim, print_json

_COLORS = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.PROBLEM: "red"}
_FORBID_REPAIR = ("database", "integrity", "schema")
"""Checks that must pass before a repair may write to the file."""


@click.command(
    "doctor",
    cls=Subcommand,
    needs_database=True,
    epilog="""\b
Examples:
  jobdeck doctor
  jobdeck doctor --full
  jobdeck doctor --json | jq -r 'select(.severity != "ok").advice'
""",
)
@click.option("--full", is_flag=True, help="Also compare every index with its table; takes several times longer.")
@click.option("--repair", is_flag=True, help="Recompute counters; delete orphaned rows.")
@click.pass_obj
def doctor_command(front: CliContext, full: bool, repair: bool) -> int:
    """Diagnose problems and suggest a fix for each. Exits 1 if there is a problem.

    Checks the file or server, its size, disk, durability, counters, leases, workers and clocks. Changes nothing
    unless --repair is given and the database is intact; a repair blocks writers for about one second per
    million jobs.
    """
    if repair:
        front.refuse_if_readonly()
    findings = doctor(settings=front.settings, full=full)
    if repair and not any(each.check in _FORBID_REPAIR and each.severity is not Severity.OK for each in findings):
        with front.open(must_exist=True, changes=True) as queue:
            repaired = queue.maintenance.repair()
        findings = [*repaired, *doctor(settings=front.settings, full=full)]
    if front.json:
        for each in findings:
            print_json(
                {"check": each.check, "severity": str(each.severity), "message": each.message, "advice": each.advice or None}
            )
    else:
        _print(findings)
    return 1 if any(each.severity is Severity.PROBLEM for each in findings) else 0


def _print(findings: Sequence[Finding]) -> None:
    states, checks = (max(map(len, words)) for words in zip(*((each.severity, each.check) for each in findings), strict=True))
    for each in findings:
        state = click.style(pad(str(each.severity), states), fg=_COLORS[each.severity])
        click.echo(f"{state}  {pad(each.check, checks)}  {safe(each.message)}")
        if each.advice:
            click.echo(f"{' ' * (states + checks + 4)}{dim(safe(each.advice))}")
    problems, warnings = (sum(each.severity is kind for each in findings) for kind in (Severity.PROBLEM, Severity.WARNING))
    click.echo(
        f"{count_of(problems, 'problem')}, {count_of(warnings, 'warning')}." if problems or warnings else "No problems found."
    )
