"""Tells known problems from bugs: what a user or the system can cause is one sentence, and never called a bug."""

from __future__ import annotations

from .errors import JobdeckError


def known_problem(error: BaseException) -> str | None:
    """Return the sentence about an error of jobdeck, or about what the system refused; `None` for anything else: a bug."""
    match error:
        case JobdeckError():
            return str(error)
        case OSError():
            reason = error.strerror or str(error) or type(error).__name__
            return f"The system refused an operation: {reason}." if error.filename is None else f"{error.filename}: {reason}."
        case MemoryError():
            return "There is not enough memory."
        case RuntimeError() if "can't start new thread" in str(error):
            return "The system allows no more threads."
        case ImportError():
            return f"The installation of jobdeck is incomplete or damaged: {str(error).rstrip('.')}."
    return None
