"""Convert the values that a handler returns or raises to storable text: bounded and valid UTF-8."""

from __future__ import annotations

import contextlib
import traceback
from typing import Any

from ..json_functions import json
from ..model.foreign_errors import full_type_name, previous_error, related_errors, text_of, traceback_of

RESULT_CHARACTERS = 1 << 20
"""The maximum length of a result as JSON. Store larger data in a file or table, and return its name."""
MESSAGE_CHARACTERS = 10_000
TRACEBACK_CHARACTERS = 20_000
_LINKED_ERRORS = 50
"""The maximum number of causes, contexts and group members that a traceback shows."""


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
    text = text_of(error)
    return replace_surrogates(text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…")


def format_traceback(error: BaseException, *, whole: bool = False) -> str:
    """Format the traceback from the handler down, without the frame of jobdeck above it unless `whole`. Never raises."""
    trace = traceback_of(error)
    trace = trace.tb_next if not whole and trace is not None and trace.tb_next is not None else trace
    text = ""
    if len(related_errors(error, _LINKED_ERRORS)) <= _LINKED_ERRORS:
        with contextlib.suppress(BaseException):  # formatting runs code of the exception
            text = str.__str__("".join(traceback.format_exception(type(error), error, trace)))
    text = text or _format_plainly(error, trace)
    if len(text) > TRACEBACK_CHARACTERS:
        text = text[: TRACEBACK_CHARACTERS // 2] + "\n…\n" + text[-TRACEBACK_CHARACTERS // 2 :]
    return replace_surrogates(text)


def _format_plainly(error: BaseException, trace: Any) -> str:
    """Format an exception that `traceback` cannot format, or only in unbounded time: with the last of its causes only."""
    sections: list[str] = []
    current: BaseException | None = error
    for _ in range(_LINKED_ERRORS):
        if current is None:
            break
        frames = _frames(trace if current is error else traceback_of(current))
        sections.append(f"{frames}{full_type_name(current)}: {error_message(current)}\n")
        current, sentence = previous_error(current)
        if current is not None:
            sections.append(f"\n{sentence}\n\n")
    if current is not None:
        sections.append("… earlier exceptions are not shown\n")
    return "".join(reversed(sections))


def _frames(trace: Any) -> str:
    if trace is None:
        return ""
    try:
        return "Traceback (most recent call last):\n" + "".join(traceback.format_tb(trace))
    except BaseException:  # the source of a frame comes from the loader of its module, which may be any object
        return ""
