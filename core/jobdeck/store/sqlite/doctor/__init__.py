"""Checks an SQLite file without changing a byte of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ....clock import Clock
from ....model.errors import StoreError
from ....model.findings import Finding, Severity
from ....settings import Settings
from ...doctor import UNCHECKED, is_damaged
from ...notifier import SocketNotifier
from ..errors import ErrorTranslator
from ..file_identity import resolve, wait_for_foreign_wal
from ..schema import check_file, newest_schema, opened_unchanged, schema_of
from .context import RESTORE, Check, CheckContext
from .data_checks import CONTENTS, ROWS
from .environment_checks import SURROUNDINGS
from .file_checks import FRAME, SOUND


def run_checks(path: Path, settings: Settings, clock: Clock, *, full: bool) -> Sequence[Finding]:
    """Check the file. Every problem is a finding, never an error."""
    context = CheckContext(resolve(path), settings, clock, full)
    findings: list[Finding] = []
    if "\0" not in str(path) and not path.exists():
        text = f"The database {path} does not exist."
        findings.append(Finding("database", Severity.PROBLEM, text, "The first job creates it; or the path is mistyped."))
    else:
        try:
            findings += _inside(path, context)
        except StoreError as error:
            findings.append(Finding("database", Severity.PROBLEM, str(error), _advice(error)))
    return [*findings, *_each(SURROUNDINGS, context)]


def _inside(path: Path, context: CheckContext) -> Iterator[Finding]:
    check_file(context.path, str(path))
    if not wait_for_foreign_wal(context.path, SocketNotifier(context.path).notify):
        text = "A program still has another database open that was at this path before, and its log is beside this one."
        yield Finding("database", Severity.PROBLEM, text, "End that program before anything is written here.")
        return
    with ErrorTranslator(str(path)), opened_unchanged(context.path) as connection:
        context.connection = connection
        context.schema = schema_of(connection, str(path))
        sound = [*_each(SOUND, context)]
        yield from sound
        if any(finding.severity is Severity.PROBLEM for finding in sound):
            return  # other checks of a damaged file mean nothing
        yield from _each(FRAME, context)
        if context.schema == newest_schema():
            rows = [*_each(ROWS, context)]
            yield from rows
            if not is_damaged(rows):
                yield from _each(CONTENTS, context)  # they compute with what the rows hold


def _each(checks: Sequence[tuple[str, Check]], context: CheckContext) -> Iterator[Finding]:
    """Run the checks. A check that fails is a finding, and stops no other."""
    for name, check in checks:
        try:
            with ErrorTranslator(str(context.path)):
                for severity, text, advice in check(context):
                    yield Finding(name, severity, text, advice)
        except StoreError as error:
            yield Finding(name, Severity.PROBLEM, f"{UNCHECKED} {error}", _advice(error))


def _advice(error: StoreError) -> str:
    return RESTORE if "damaged" in str(error) else "Fix that first; nothing was changed."
