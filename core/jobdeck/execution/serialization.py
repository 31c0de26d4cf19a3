"""What a handler returned or raised, as text that can be stored: bounded, and valid UTF-8."""

from __future__ import annotations

import json
import traceback
from typing import Any

RESULT_CHARACTERS = 1 << 20
"""A result longer than this, as JSON, is not kept: it belongs into a file or table, and its name into the result."""
MESSAGE_CHARACTERS = 10_000
TRACEBACK_CHARACTERS = 20_000


def clean(text: str) -> str:
    """The text with lone surrogates, which cannot be stored as UTF-8, spelled out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


# `json.dumps` makes a new encoder each time it is given options.
_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def result_json(result: Any) -> str:
    """A result as JSON. What it raises depends on the result, which may be anything."""
    text = clean(_write(result))
    if len(text) > RESULT_CHARACTERS:
        raise ValueError(f"it takes {len(text):,} characters, and the limit is {RESULT_CHARACTERS:,}")
    return text


def told(error: BaseException) -> str:
    """What the exception says: it may be long, and it may fail in saying it."""
    try:
        text = str(error)
    except BaseException:
        return "(its text cannot be read)"
    return clean(text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…")


def traceback_of(error: BaseException) -> str:
    """The traceback from the handler down; the one frame of jobdeck's own above it tells nobody anything."""
    trace = error.__traceback__
    trace = trace.tb_next if trace is not None and trace.tb_next is not None else trace
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:  # an exception may define what happens when it is looked at
        text = "".join(traceback.format_tb(trace))
    if len(text) > TRACEBACK_CHARACTERS:
        text = text[: TRACEBACK_CHARACTERS // 2] + "\n…\n" + text[-TRACEBACK_CHARACTERS // 2 :]
    return clean(text)
