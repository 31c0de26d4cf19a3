"""The line in which a filter is typed: it works while you type, completes fields and values, points at errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Blur, Focus
from textual.message import Message
from textual.widgets import Input

from ...feed.filter_completion import Offer, Offers, Words, fields, offers
from ...feed.messages import Page
from ...text.format import number
from ...text.sanitize import safe
from ..base.panel import Drawn
from ..base.strips import Piece
from ..forms.suggestions import Suggestions


class FilterLine(Input):
    """The filter itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_filter", "clear", tooltip="Show all jobs again; a chosen suggestion is let go first"),
        Binding("enter", "keep", "keep", tooltip="Take the chosen suggestion; without one keep the filter and go to the table"),
        Binding("tab", "complete", "complete", tooltip="Take the chosen suggestion, or the first"),
        Binding(
            "down", "choose(1)", "choose", key_display="↑↓", tooltip="Choose from the suggestions; without any go to the table"
        ),
        Binding(
            "up", "choose(-1)", "choose", show=False, tooltip="Choose from the suggestions; in an empty filter, earlier ones"
        ),
        Binding("right", "right", "right", show=False, tooltip="At the end of the line: take the first suggestion"),
        Binding("ctrl+r", "history", "earlier", tooltip="Earlier filters that hold what is typed"),
        Binding("ctrl+s", "save", "save", tooltip="Save the filter under a name; F finds it again"),
    ]

    @property
    def _bar(self) -> FilterBar:
        return self.query_ancestor(FilterBar)

    def action_clear_filter(self) -> None:
        """Let go of the suggestion, or empty the line and leave it."""
        self._bar.clear()

    def action_keep(self) -> None:
        """Take the suggestion, or keep the filter."""
        self._bar.keep()

    def action_complete(self) -> None:
        """Take the chosen suggestion, or the first."""
        self._bar.complete()

    def action_choose(self, by: int) -> None:
        """Choose from the suggestions."""
        self._bar.choose(by)

    def action_right(self) -> None:
        """Move right; at the end take the first suggestion."""
        if self.cursor_at_end and self._bar.suggests:
            self._bar.complete()
        else:
            self.action_cursor_right()

    def action_history(self) -> None:
        """Show earlier filters."""
        self._bar.remind()

    def action_save(self) -> None:
        """Save the filter."""
        self._bar.ask_to_save()

    def on_blur(self, event: Blur) -> None:
        """Suggestions belong to what is being typed."""
        self._bar.hush()

    def on_focus(self, event: Focus) -> None:
        """Type at the end."""
        self.cursor_position = len(self.value)


class _Told(Drawn):
    """What comes of the filter: how many match, or what is wrong and where."""

    def __init__(self) -> None:
        super().__init__(id="filter-told")
        self.page: Page | None = None
        self.at = 0
        """The column under which an error is pointed at."""

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, error = self.style("quiet"), self.style("error")
        page = self.page
        if page is not None and page.problem:
            told = safe(page.problem)
            if self.at + 2 + cell_len(told) <= width or self.at < width // 2:
                return [(" " * self.at, quiet), (f"▲ {told}", error)]
            return [(" " * max(0, self.at - cell_len(told) - 1), quiet), (f"{told} ▲", error)]
        if page is None or page.reading:
            return [("  reading …", quiet)]
        n = len(page.ids)
        return [(f"  {number(n)} job{'s' * (n != 1)} match{'es' * (n == 1)}", self.style("strong"))]


class FilterBar(Vertical):
    """Hidden until it is opened. Enter keeps the filter, escape clears it."""

    class Typed(Message):
        """The filter is another."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Kept(Message):
        """Enter: the filter stays, and the table has the focus again."""

    class Cleared(Message):
        """No filter any more."""

    class SaveAsked(Message):
        """Save the filter under a name."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.words = Words()
        """What is suggested."""
        self.history: Sequence[str] = ()
        """Earlier filters, the newest first."""
        self._offers = Offers()

    def compose(self) -> ComposeResult:
        yield FilterLine(
            id="filter-line",
            compact=True,
            select_on_focus=False,
            placeholder="state:failed queue:mail kind:send* age>1h args.name:x free text",
        )
        yield _Told()
        yield Suggestions(id="suggestions")

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def line(self) -> FilterLine:
        """Where it is typed."""
        return self.query_one(FilterLine)

    @property
    def value(self) -> str:
        """What is typed."""
        return self.line.value

    @property
    def suggests(self) -> bool:
        """Whether suggestions are shown."""
        return bool(self._suggestions.display and self._suggestions.offers)

    @property
    def _suggestions(self) -> Suggestions:
        return self.query_one(Suggestions)

    def open(self, text: str) -> None:
        """Show it, with a filter in it."""
        self.display = True
        self.line.value = text
        self.line.focus()

    def close(self) -> None:
        """Hide it."""
        self.hush()
        self.display = False

    def show(self, page: Page) -> None:
        """Tell what came of what was typed."""
        if not self.display:
            return
        told = self.query_one(_Told)
        told.page = page
        told.at = max(0, self._column(page.column) - self.region.x)
        told.refresh()

    def _column(self, at: int) -> int:
        """Where on the screen a character of the filter stands."""
        line = self.line
        return line.content_region.x + cell_len(line.value[:at]) - round(line.scroll_offset.x)

    # -- suggestions ------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter by it, and suggest what may come next."""
        event.stop()
        if not self.display:
            return
        self.post_message(self.Typed(event.value.strip()))
        self._suggest(offers(event.value, self.line.cursor_position, self.words))

    def _suggest(self, found: Offers) -> None:
        self._offers = found
        self._suggestions.show(found.offers, self._column(found.begin), self.line.region.y)

    def hush(self) -> None:
        """Suggest nothing."""
        self._offers = Offers()
        if self._suggestions.display:
            self._suggestions.hide()

    def choose(self, by: int) -> None:
        """Choose from the suggestions; in an empty filter from earlier ones; otherwise down leads to the table."""
        if not self.suggests and not self.value.strip():
            self.remind()
        if self.suggests:
            self._suggestions.move(by)
        elif by > 0:
            self.post_message(self.Kept())

    def remind(self) -> None:
        """Suggest earlier filters that hold what is typed."""
        typed = self.value.strip().lower()
        found = tuple(Offer(text) for text in self.history if typed in text.lower() and text != self.value)
        self._suggest(Offers(0, len(self.value), found))

    def complete(self) -> None:
        """Take the chosen suggestion, or the first; in an empty filter show every field."""
        if self.suggests:
            self._take(self._suggestions.chosen or 0)
        elif not self.value.strip():
            self._suggest(fields(self.words))

    def _take(self, at: int) -> None:
        text, cursor = self._offers.put(self.value, at)
        self.hush()
        self.line.value = text
        self.line.cursor_position = cursor

    def on_suggestions_taken(self, event: Suggestions.Taken) -> None:
        """Take the suggestion that was clicked."""
        self._take(event.at)
        self.line.focus()

    # -- the end of it ----------------------------------------------------------------------------

    def keep(self) -> None:
        """Take the chosen suggestion, or keep the filter."""
        if self.suggests and self._suggestions.chosen is not None:
            self._take(self._suggestions.chosen)
        else:
            self.post_message(self.Kept())

    def clear(self) -> None:
        """Let go of the chosen suggestion, or clear the filter."""
        if self.suggests and self._suggestions.chosen is not None:
            self.hush()
            return
        self.line.value = ""
        self.post_message(self.Cleared())

    def ask_to_save(self) -> None:
        """Save the filter, if there is one."""
        self.hush()
        if self.value.strip():
            self.post_message(self.SaveAsked())
