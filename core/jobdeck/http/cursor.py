"""Cursors: the end of a page as an opaque text, with the order that it belongs to."""

from __future__ import annotations

import base64
import json

from starlette.exceptions import HTTPException

from ..model.jobs import PageEnd

_DIGITS = 1 << 63


def encode(order: str, end: PageEnd) -> str:
    """Return the cursor after a job."""
    text = json.dumps([order, end.value, end.job_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, order: str) -> PageEnd:
    """Return the end of the page before.

    Raises:
        HTTPException: with 400, because the cursor is not one of this order.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        kept, value, job_id = json.loads(text)
    except (ValueError, RecursionError):  # also that it is no base64, no UTF-8, no JSON, or no list of three
        raise HTTPException(400, "The cursor is malformed; begin with the first page.") from None
    except TypeError:
        raise HTTPException(400, "The cursor is malformed; begin with the first page.") from None
    whole = type(job_id) is int and 0 <= job_id < _DIGITS
    number = type(value) in (int, float) and -_DIGITS < value < _DIGITS
    if kept != order or not whole or not (value is None or number or (type(value) is str and _storable(value))):
        raise HTTPException(400, "The cursor belongs to a list in another order; begin with the first page.")
    return PageEnd(value, job_id)


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)
