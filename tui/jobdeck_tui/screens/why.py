"""Why is this job not running? Every condition of the claim, checked on the live job while the panel is open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from jobdeck import Check, Explanation

from ..text.format import duration
from ..text.sanitize import safe
from ..widgets.chrome.key_hints import Hints
from ..widgets.details.job_details import clock_time

EVERY = 1.0
"""Seconds between two checks."""
_WIDTH = 68
"""Cells of a line of text."""


class WhyScreen(ModalScreen[None]):
    """Conditions, met or not, each with what to do about it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,w,q", "close", "close", key_display="esc"),
        Binding("j,down", "scroll(1)", "scroll", key_display="j k"),
        Binding("k,up", "scroll(-1)", "scroll up", show=False),
    ]

    def __init__(self, job_id: int, ask: Callable[[int], None]) -> None:
        """Open on a job.

        Args:
            job_id: the job.
            ask: asks the feed for an explanation of it.
        """
        super().__init__()
        self.job_id = job_id
        self._ask = ask
        self.told = ""
        """What is shown, as plain text."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="why"):
            with VerticalScroll(id="why-body"):
                yield Static("", id="why-text")
            yield Hints(indent=0, id="why-foot")

    def on_mount(self) -> None:
        """Ask now, and again as long as it is open."""
        self.query_one("#why").border_title = Content.assemble((f"why · job {self.job_id}", "bold"))
        self._again()
        self.set_interval(EVERY, self._again)

    def _again(self) -> None:
        self._ask(self.job_id)

    def show(self, explanation: Explanation | None) -> None:
        """Show this moment."""
        if explanation is None:
            content = Content.assemble((f"Job {self.job_id} is gone: it was deleted or pruned.", "$warning"))
        else:
            content = Content("\n").join(_lines(explanation))
        if content.plain != self.told:
            self.told = content.plain
            self.query_one("#why-text", Static).update(content)

    def action_close(self) -> None:
        """Back."""
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        """Scroll a line."""
        self.query_one("#why-body").scroll_relative(y=by, animate=False)


def _lines(told: Explanation) -> Iterable[Content]:
    for line in wrap(safe(told.summary), _WIDTH):
        yield Content.assemble((line, "bold"))
    yield Content("")
    for check in told.checks:
        yield from _check(check, told.at)
    if told.starts_in is not None:
        yield Content("")
        when = "now" if told.starts_in == 0 else f"in about {duration(told.starts_in)}"
        first, *rest = wrap(f"Starts {when} ({safe(told.basis)})", _WIDTH)
        yield Content.assemble((first, "$accent"))
        for line in rest:
            yield Content.assemble((line, "$accent"))


def _check(check: Check, at: float) -> Iterable[Content]:
    mark, colour = ("✓", "$success") if check.holds else ("✗", "$error")
    sentence = safe(check.sentence)
    if check.until is not None and check.until > at:
        sentence = f"{sentence.removesuffix('.')} ({clock_time(check.until, at)})."
    first, *rest = wrap(sentence, _WIDTH - 2)
    yield Content.assemble((f"{mark} ", colour), (first, "" if not check.holds else "$quiet"))
    for line in rest:
        yield Content.assemble((f"  {line}", "" if not check.holds else "$quiet"))
    command = False
    for line in wrap(safe(check.advice), _WIDTH - 4):
        parts: list[tuple[str, str]] = [("    ", "")]
        for at, part in enumerate(line.split("`")):
            command ^= at > 0  # a command may go on in the next line
            parts.append((part, "$accent" if command else "$quiet"))
        yield Content.assemble(*parts)
