"""The speaker notes of the tour, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from .script import TourStep

_LABEL = 10


def step_notes(step: TourStep, number: int, of: int, *, width: int = 78) -> str:
    """Return the notes of one step.

    Args:
        step: the step.
        number: its number, from 1.
        of: the number of steps.
        width: the width of the text.
    """
    lines = [f"{number}/{of}  {step.title}", f"{step.chapter} · {step.seconds} s", "", _entry("ask", step.question, width)]
    for n, choice in enumerate(step.choices):
        lines.append(f"{'':{_LABEL}}{'abc'[n]}  {choice}{'  ← right' if n == step.answer else ''}")
    lines += ["", _entry("runs", f"{step.runs} (about {step.takes} s)", width), ""]
    lines += [_entry(label, text, width) for label, text in step.points]
    lines += ["", *(_entry("·", note, width) for note in step.notes)]
    return "\n".join(lines) + "\n"


def all_notes(steps: Sequence[TourStep], *, width: int = 78) -> str:
    """Return the notes of all steps, each after a rule."""
    rule = "-" * width + "\n"
    return rule.join(step_notes(step, n, len(steps), width=width) for n, step in enumerate(steps, 1))


def _entry(label: str, text: str, width: int) -> str:
    return fill(text, width, initial_indent=f"{label:<{_LABEL}}", subsequent_indent=" " * _LABEL)
