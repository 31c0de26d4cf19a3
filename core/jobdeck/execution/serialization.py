"""Convert the values that a handler returns or raises to storable text: bounded and valid UTF-8."""

from __future__ import annotations

import json
import traceback
from typing import Any

RESULT_CHARACTERS = 1 << 20
"""The maximum length of a result as JSON. Store larger data in a file or table, and return its name."""
MESSAGE_CHARACTERS = 10_000
TRACEBACK_CHARACTERS = 20_000


def replace_surrogates(text: str) -> str:
    """Escape lone surrogates, which cannot be encoded as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


# `json.dumps` creates a new encoder on every call with options.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def result_json(result: Any) -> str:
    """Encode a result as JSON. May raise any exception, because the value may be of any type."""
    text = replace_surrogates(_encode(result))
    if len(text) > RESULT_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters, and the limit is {RESULT_CHARACTERS:,}")
    return text


def error_message(error: BaseException) -> str:
    """Return the text of an exception, shortened; tolerate exceptions whose text cannot be read."""
    try:
        text = str(error)
    except BaseException:
        return "(its text cannot be read)"
    return replace_surrogates(text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…")


def format_traceback(error: BaseException) -> str:
    """Format the traceback from the handler down, without the frame of jobdeck above it."""
    trace = error.__traceback__
    trace = trace.tb_next if trace is not None and trace.tb_next is not None else trace
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:  # formatting runs code of the exception
        text = "".join(traceback.format_tb(trace))
    if len(text) > TRACEBACK_CHARACTERS:
        text = text[: TRACEBACK_CHARACTERS // 2] + "\n…\n" + text[-TRACEBACK_CHARACTERS // 2 :]
    return replace_surrogates(text)
