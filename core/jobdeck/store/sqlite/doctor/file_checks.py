"""Checks of the file itself: whether it is sound, what it is, how large, how safe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....model.findings import Severity
from ...doctor import Answer, megabytes
from ..schema import newest_schema
from ..wal import log_of, size_of
from .context import RESTORE, Check, Look

_SHOWN = 5
"""How many damages are listed."""
_LOG_LARGE = 64 << 20
"""Bytes: upkeep cuts the log long before, unless it cannot, or nobody does."""


def _integrity(look: Look) -> Iterator[Answer]:
    pragma = "integrity_check" if look.full else "quick_check"
    found = [str(row[0]).replace("\n", " ") for row in look.rows(f"PRAGMA {pragma}({_SHOWN})")]
    if found != ["ok"]:
        yield Severity.PROBLEM, f"The file is damaged: {'; '.join(found)}.", RESTORE
    elif look.full:
        yield Severity.OK, "Every page is sound, and every index agrees with its table.", ""
    else:
        yield Severity.OK, "Every page is sound (--full also compares the indexes with their tables).", ""


def _schema(look: Look) -> Iterator[Answer]:
    newest = newest_schema()
    if look.schema == newest:
        yield Severity.OK, f"Schema {newest}, the newest that this jobdeck knows.", ""
    elif look.schema:
        told = f"Schema {look.schema}, and this jobdeck writes {newest}; what is in the file was not looked at."
        yield Severity.WARNING, told, "Opening the queue brings it up to date; make a copy first."
    else:
        yield Severity.WARNING, "The file is empty.", "Opening it makes a queue of it."


def _size(look: Look) -> Iterator[Answer]:
    pages, free, each = (look.number(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size"))
    share = 100 * free / max(1, pages)
    yield Severity.OK, f"{megabytes(pages * each)} in {pages:,} pages, {share:.0f} % of them free to be used again.", ""


def _log(look: Look) -> Iterator[Answer]:
    size = size_of(log_of(look.path))
    if size <= _LOG_LARGE:
        yield Severity.OK, f"The write-ahead log has {megabytes(size)}.", ""
    else:
        told = (
            f"The write-ahead log has {megabytes(size)}: a program has been reading for long, or no worker is there to cut it."
        )
        yield Severity.WARNING, told, "End programs that hold a read transaction open; a worker then cuts the log in seconds."


def _durability(look: Look) -> Iterator[Answer]:
    ((mode,),) = look.rows("PRAGMA journal_mode")
    log = "a write-ahead log" if mode == "wal" else "a write-ahead log, as soon as it is opened"
    match look.settings.synchronous:
        case "FULL":
            yield Severity.OK, f"What is acknowledged survives a loss of power (synchronous FULL, {log}).", ""
        case "NORMAL":
            told = f"A loss of power may take back the last acknowledged jobs (synchronous NORMAL, {log})."
            yield Severity.WARNING, told, "Set JOBDECK_SYNCHRONOUS=FULL, unless that is meant."
        case other:
            told = f"A loss of power may destroy the file (synchronous {other}, {log})."
            yield Severity.PROBLEM, told, "Set JOBDECK_SYNCHRONOUS=FULL."


SOUND: Sequence[tuple[str, Check]] = (("integrity", _integrity),)
FRAME: Sequence[tuple[str, Check]] = (
    ("schema", _schema),
    ("size", _size),
    ("log", _log),
    ("durability", _durability),
)
