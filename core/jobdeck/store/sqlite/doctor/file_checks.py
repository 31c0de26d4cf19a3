"""The checks of the file itself: integrity, schema, size, log, durability."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from ....model.findings import Severity
from ...doctor import CheckResult, format_size
from ..repair import integrity_problems
from ..schema import newest_schema
from ..wal import file_size, wal_path
from .context import RESTORE, Check, CheckContext

_SHOWN = 5
"""The number of listed damages at most."""
_LOG_LARGE = 64 << 20
"""Bytes: maintenance cuts the log long before, unless a reader holds it or no worker runs."""


def _integrity(context: CheckContext) -> Iterator[CheckResult]:
    found = integrity_problems(context.connection, full=context.full)
    if found:
        yield Severity.PROBLEM, f"The file is damaged: {'; '.join(found[:_SHOWN])}.", RESTORE
    elif context.full:
        yield Severity.OK, "Every page is intact, and every index matches its table.", ""
    else:
        yield Severity.OK, "Every page is intact (--full also compares the indexes with their tables).", ""


def _schema(context: CheckContext) -> Iterator[CheckResult]:
    newest = newest_schema()
    if context.schema == newest:
        yield Severity.OK, f"Schema {newest}, the newest that this jobdeck knows.", ""
    elif context.schema:
        text = f"Schema {context.schema}, and this jobdeck writes {newest}; the data was not checked."
        yield Severity.WARNING, text, "Opening the queue migrates it; make a copy first."
    else:
        yield Severity.WARNING, "The file is empty.", "Opening it creates a queue in it."


def _size(context: CheckContext) -> Iterator[CheckResult]:
    pages, free, each = (context.number(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size"))
    share = 100 * free / max(1, pages)
    yield Severity.OK, f"{format_size(pages * each)} in {pages:,} pages, {share:.0f} % of them free to be used again.", ""


def _log(context: CheckContext) -> Iterator[CheckResult]:
    size = file_size(wal_path(context.path))
    if size <= _LOG_LARGE:
        yield Severity.OK, f"The write-ahead log has {format_size(size)}.", ""
    else:
        text = f"The write-ahead log has {format_size(size)}: a program has been reading for long, or no worker runs to cut it."
        yield Severity.WARNING, text, "End programs that hold a read transaction open; a worker then cuts the log in seconds."


def _durability(context: CheckContext) -> Iterator[CheckResult]:
    ((mode,),) = context.rows("PRAGMA journal_mode")
    log = "a write-ahead log" if mode == "wal" else "a write-ahead log, as soon as it is opened"
    match context.settings.synchronous:
        case "FULL":
            yield Severity.OK, f"Acknowledged jobs survive a power loss (synchronous FULL, {log}).", ""
        case "NORMAL":
            text = f"A power loss may lose the last acknowledged jobs (synchronous NORMAL, {log})."
            yield Severity.WARNING, text, "Set JOBDECK_SYNCHRONOUS=FULL, unless that is intended."
        case other:
            text = f"A power loss may destroy the file (synchronous {other}, {log})."
            yield Severity.PROBLEM, text, "Set JOBDECK_SYNCHRONOUS=FULL."


def _permissions(context: CheckContext) -> Iterator[CheckResult]:
    mode = context.path.stat().st_mode & 0o777
    if mode & 0o007:
        can = "change" if mode & 0o002 else "read"
        text = f"Every user of this machine can {can} the file, with the arguments of all jobs (mode {mode:03o})."
        yield Severity.WARNING, text, f"chmod o= {shlex.quote(str(context.path))}*"
    else:
        yield Severity.OK, f"Other users of this machine cannot read the file (mode {mode:03o}).", ""


SOUND: Sequence[tuple[str, Check]] = (("integrity", _integrity),)
FRAME: Sequence[tuple[str, Check]] = (
    ("schema", _schema),
    ("size", _size),
    ("log", _log),
    ("durability", _durability),
    ("permissions", _permissions),
)
