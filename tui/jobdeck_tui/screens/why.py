"""Explains why a job is not running: every condition of the claim, checked repeatedly while the panel is open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from jobdeck import Check, Explanation

from ..text.format import duration
from ..text.sanitize import safe
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.details.job_details import format_clock_time
from .terminal_screen import TerminalDialog

EVERY = 1.0
"""Seconds between checks."""
_WIDTH = 68
"""Width of the text."""


class WhyScreen(TerminalDialog[None]):
    """The conditions, met or not, each with advice."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,w,q", "close", "close", key_display="esc"),
        Binding("j,down", "scroll(1)", "scroll", key_display="j k"),
        Binding("k,up", "scroll(-1)", "scroll up", show=False),
    ]

    def __init__(self, job_id: int, ask: Callable[[int], None]) -> None:
        """Create the panel.

        Args:
            job_id: the job.
            ask: requests an explanation of the job from the feed.
        """
        super().__init__()
        self.job_id = job_id
        self._ask = ask
        self.shown_text = ""
        """The shown text."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="why"):
            with VerticalScroll(id="why-body"):
                yield Static("", id="why-text")
            yield KeyHints(indent=0, id="why-foot")

    def on_mount(self) -> None:
        """Set the title and request explanations while the panel is open."""
        self.query_one("#why").border_title = Content.assemble((f"why · job {self.job_id}", "bold"))
        self._request()
        self.set_interval(EVERY, self._request)

    def _request(self) -> None:
        self._ask(self.job_id)

    def show(self, explanation: Explanation | None) -> None:
        """Show an explanation; `None` if the job no longer exists."""
        if explanation is None:
            content = Content.assemble((f"Job {self.job_id} no longer exists: it was deleted or pruned.", "$warning"))
        else:
            content = Content("\n").join(_lines(explanation))
        if content.plain != self.shown_text:
            self.shown_text = content.plain
            self.query_one("#why-text", Static).update(content)

    def action_close(self) -> None:
        """Close the panel."""
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one("#why-body").scroll_relative(y=by, animate=False)


def _lines(explanation: Explanation) -> Iterable[Content]:
    for line in wrap(safe(explanation.summary), _WIDTH):
        yield Content.assemble((line, "bold"))
    yield Content("")
    for check in explanation.checks:
        yield from _check(check, explanation.at)
    if explanation.starts_in is not None:
        yield Content("")
        when = "now" if explanation.starts_in == 0 else f"in about {duration(explanation.starts_in)}"
        first, *rest = wrap(f"Starts {when} ({safe(explanation.estimate_basis)})", _WIDTH)
        yield Content.assemble((first, "$accent"))
        for line in rest:
            yield Content.assemble((line, "$accent"))


def _check(check: Check, at: float) -> Iterable[Content]:
    mark, color = ("✓", "$success") if check.met else ("✗", "$error")
    sentence = safe(check.message)
    if check.until is not None and check.until > at:
        sentence = f"{sentence.removesuffix('.')} ({format_clock_time(check.until, at)})."
    first, *rest = wrap(sentence, _WIDTH - 2)
    yield Content.assemble((f"{mark} ", color), (first, "" if not check.met else "$quiet"))
    for line in rest:
        yield Content.assemble((f"  {line}", "" if not check.met else "$quiet"))
    command = False
    for line in wrap(safe(check.advice), _WIDTH - 4):
        parts: list[tuple[str, str]] = [("    ", "")]
        for at, part in enumerate(line.split("`")):
            command ^= at > 0  # a command may continue on the next line
            parts.append((part, "$accent" if command else "$quiet"))
        yield Content.assemble(*parts)
