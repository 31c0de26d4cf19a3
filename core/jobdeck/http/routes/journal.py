"""The journal: who changed what; undo and redo."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from ..access import caller_of, scope
from ..documents.base import JsonResponse
from ..documents.journal import JournalEntryDocument, JournalPage, UndoDocument
from ..requests import UndoInput
from ..routing import make_router, queue_of, responses
from ..tokens import Scope

router = make_router("journal")


@router.get("/journal", operation_id="listJournal", response_model=JournalPage, responses=responses())
@scope(Scope.READ)
def list_journal(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
    """List the newest operations of people and programs, newest first."""
    entries = queue_of(request).journal.entries(limit=limit)
    return JsonResponse(JournalPage(entries=[*map(JournalEntryDocument.of, entries)]))


@router.post("/undo", operation_id="undo", response_model=UndoDocument, responses=responses(404, 409, 415))
@scope(Scope.OPERATE)
def undo(request: Request, body: UndoInput | None = None) -> Response:
    """Undo your newest operation, or one of the journal, for every job that has not changed since."""
    entry, actor = None if body is None else body.entry_id, caller_of(request).name
    result = queue_of(request).journal.undo(entry, of=actor if entry is None else None, actor=actor)
    return JsonResponse(UndoDocument.of(result))


@router.post("/redo", operation_id="redo", response_model=UndoDocument, responses=responses(404, 409, 415))
@scope(Scope.OPERATE)
def redo(request: Request, body: UndoInput | None = None) -> Response:
    """Redo the operation that you undid last, or one of the journal."""
    entry, actor = None if body is None else body.entry_id, caller_of(request).name
    result = queue_of(request).journal.redo(entry, of=actor if entry is None else None)
    return JsonResponse(UndoDocument.of(result))
