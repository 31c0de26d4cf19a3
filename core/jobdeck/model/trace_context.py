"""The trace that a job belongs to, as W3C Trace Context writes it: a `traceparent`, and perhaps a `tracestate`. Pure.

It is stored as one text: the `traceparent`, followed by a space and the `tracestate` if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping

from .lazy_pattern import lazy_pattern

_TRACEPARENT = lazy_pattern(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE_LENGTH = 512
"""The length up to which a `tracestate` must be passed on."""


def join_trace(traceparent: str | None, tracestate: str | None = None) -> str | None:
    """Return the trace of a job as it is stored; `None` without a valid `traceparent`.

    A `tracestate` that cannot be passed on is left out, as the standard says: the trace is complete without it.
    """
    found = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or not (int(trace_id, 16) and int(span_id, 16)) or (version == "00" and more is not None):
        return None
    state = (tracestate or "").strip()
    # A later version is passed on as the one that is known here.
    known = f"00-{trace_id}-{span_id}-{flags}"
    return f"{known} {state}" if 0 < len(state) <= _STATE_LENGTH and state.isascii() and state.isprintable() else known


def split_trace(trace: str | None) -> tuple[str, str | None] | None:
    """Return the `traceparent` and the `tracestate` of a stored trace; `None` if there is none that can be read."""
    if trace is None:
        return None
    traceparent, _, state = trace.partition(" ")
    return (traceparent, state or None) if join_trace(traceparent) is not None else None


def trace_variables(trace: str | None) -> dict[str, str]:
    """Return the environment variables that tell a command its trace: TRACEPARENT and TRACESTATE."""
    found = split_trace(trace)
    if found is None:
        return {}
    traceparent, state = found
    return {"TRACEPARENT": traceparent} if state is None else {"TRACEPARENT": traceparent, "TRACESTATE": state}


def trace_of_variables(environ: Mapping[str, str]) -> str | None:
    """Return the trace that TRACEPARENT and TRACESTATE name, as it is stored; `None` if there is none."""
    return join_trace(environ.get("TRACEPARENT"), environ.get("TRACESTATE"))
