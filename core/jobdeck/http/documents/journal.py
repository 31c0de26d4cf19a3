"""Documents of the journal of operations."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from ...model.journal import JournalEntry, UndoResult
from .base import Document, Id, RefusalDocument, Time, refusals


class JournalEntryDocument(Document):
    """An operation of a person or a program."""

    id: Id
    at: Time
    actor: str
    operation: str
    summary: str
    count: int
    undoable: int
    undone: int
    undone_at: Time | None
    undone_by: str | None

    @classmethod
    def of(cls, entry: JournalEntry, /, **members: Any) -> Self:
        """Return the document of a journal entry."""
        return super().of(entry, count=entry.n, undoable=entry.recorded, **members)


class JournalPage(Document):
    """The newest entries of the journal, newest first."""

    entries: list[JournalEntryDocument]


class UndoDocument(Document):
    """The result of an undo or a redo."""

    entry: JournalEntryDocument
    count: int
    done: list[int | str] = Field(description="The ids of jobs, or the names of queues or the schedule.")
    refused: list[RefusalDocument]
    not_recorded: int = Field(description="Further jobs that exceeded the journal's size limit.")

    @classmethod
    def of(cls, result: UndoResult, /, **members: Any) -> Self:
        """Return the document of an undo."""
        return super().of(
            result,
            entry=JournalEntryDocument.of(result.entry),
            count=len(result.done),
            done=list(result.done),
            refused=refusals(result.refused),
            **members,
        )
