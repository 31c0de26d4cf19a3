"""The input for the job filter: filters while the user types, completes fields and values, and points at errors."""

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

from jobdeck import fold_case

from ...feed.filter_completion import Suggestion, Suggestions, Vocabulary, fields, suggest
from ...feed.messages import JobsPage
from ...text.format import number
from ...text.sanitize import safe
from ..base.panel import LineWidget
from ..base.strips import Piece
from ..base.text_input import TextInput
from ..forms.suggestions import SuggestionList


class FilterLine(TextInput):
    """The input of the filter."""

    JOIN = " "

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_filter", "clear", tooltip="Deselect the suggestion, or show all jobs"),
        Binding("enter", "keep", "keep", tooltip="Accept the selected suggestion, or keep the filter and go to the table"),
        Binding("tab", "complete", "complete", tooltip="Accept the selected suggestion, or the first"),
        Binding("down", "choose(1)", "choose", key_display="↑↓", tooltip="Select a suggestion; without any, go to the table"),
        Binding("up", "choose(-1)", "choose", show=False, tooltip="Select a suggestion; in an empty filter, an earlier one"),
        Binding("right", "right", "right", show=False, tooltip="At the end of the line, accept the first suggestion"),
        Binding("ctrl+r", "history", "earlier", tooltip="Earlier filters that contain the typed text"),
        Binding("ctrl+s", "save", "save", tooltip="Save the filter under a name; F lists saved filters"),
    ]

    @property
    def _bar(self) -> FilterBar:
        return self.query_ancestor(FilterBar)

    def action_clear_filter(self) -> None:
        """Deselect the suggestion, or clear the filter and leave the input."""
        self._bar.clear()

    def action_keep(self) -> None:
        """Accept the suggestion, or keep the filter."""
        self._bar.keep()

    def action_complete(self) -> None:
        """Accept the selected suggestion, or the first."""
        self._bar.complete()

    def action_choose(self, by: int) -> None:
        """Select a suggestion."""
        self._bar.choose(by)

    def action_right(self) -> None:
        """Move right; at the end accept the first suggestion."""
        if self.cursor_at_end and self._bar.suggests:
            self._bar.complete()
        else:
            self.action_cursor_right()

    def action_history(self) -> None:
        """Show earlier filters."""
        self._bar.suggest_history()

    def action_save(self) -> None:
        """Save the filter."""
        self._bar.ask_to_save()

    def on_blur(self, event: Blur) -> None:
        """Hide the suggestions."""
        self._bar.hide_suggestions()

    def on_focus(self, event: Focus) -> None:
        """Move the text cursor to the end."""
        self.cursor_position = len(self.value)


class _FilterResult(LineWidget):
    """The result of the filter: the number of matches, or the error and its position."""

    def __init__(self) -> None:
        super().__init__(id="filter-result")
        self.page: JobsPage | None = None
        self.at = 0
        """The column of the error."""

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, error = self.style("quiet"), self.style("error")
        page = self.page
        if page is not None and page.problem:
            result = safe(page.problem)
            if self.at + 2 + cell_len(result) <= width or self.at < width // 2:
                return [(" " * self.at, quiet), (f"▲ {result}", error)]
            return [(" " * max(0, self.at - cell_len(result) - 1), quiet), (f"{result} ▲", error)]
        if page is None or page.reading:
            return [("  loading …", quiet)]
        n = len(page.ids)
        return [(f"  {number(n)} job{'s' * (n != 1)} match{'es' * (n == 1)}", self.style("strong"))]


class FilterBar(Vertical):
    """Hidden until it is opened. Enter keeps the filter, escape clears it."""

    class Typed(Message):
        """The filter has changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Kept(Message):
        """The user keeps the filter: the focus returns to the table."""

    class Cleared(Message):
        """The filter was cleared."""

    class SaveRequested(Message):
        """The user asks to save the filter under a name."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.words = Vocabulary()
        """The vocabulary of the suggestions."""
        self.history: Sequence[str] = ()
        """Earlier filters, the newest first."""
        self._offers = Suggestions()

    def compose(self) -> ComposeResult:
        yield FilterLine(
            id="filter-line",
            compact=True,
            select_on_focus=False,
            placeholder="state:failed queue:mail kind:send* age>1h args.name:x free text",
        )
        yield _FilterResult()
        yield SuggestionList(id="suggestions")

    # -- content -----------------------------------------------------------------------------------

    @property
    def line(self) -> FilterLine:
        """The input."""
        return self.query_one(FilterLine)

    @property
    def value(self) -> str:
        """The typed text."""
        return self.line.value

    @property
    def suggests(self) -> bool:
        """Whether suggestions are visible."""
        return bool(self._suggestions.display and self._suggestions.offers)

    @property
    def _suggestions(self) -> SuggestionList:
        return self.query_one(SuggestionList)

    def open(self, text: str) -> None:
        """Show the bar with a filter."""
        self.display = True
        self.line.value = text
        self.line.focus()

    def close(self) -> None:
        """Hide the bar."""
        self.hide_suggestions()
        self.display = False

    def show(self, page: JobsPage) -> None:
        """Show the result of the filter."""
        if not self.display:
            return
        result = self.query_one(_FilterResult)
        result.page = page
        result.at = max(0, self._column(page.column) - self.region.x)
        result.refresh()

    def _column(self, at: int) -> int:
        """Return the screen column of a character of the filter."""
        line = self.line
        return line.content_region.x + cell_len(line.value[:at]) - round(line.scroll_offset.x)

    # -- suggestions ------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply the filter, and suggest what can follow."""
        event.stop()
        if not self.display:
            return
        self.post_message(self.Typed(event.value.strip()))
        self._suggest(suggest(event.value, self.line.cursor_position, self.words))

    def _suggest(self, found: Suggestions) -> None:
        self._offers = found
        self._suggestions.show(found.items, self._column(found.begin), self.line.region.y)

    def hide_suggestions(self) -> None:
        """Hide the suggestions."""
        self._offers = Suggestions()
        if self._suggestions.display:
            self._suggestions.hide()

    def choose(self, by: int) -> None:
        """Select a suggestion, or an earlier filter if the filter is empty; otherwise down moves to the table."""
        if not self.suggests and not self.value.strip():
            self.suggest_history()
        if self.suggests:
            self._suggestions.move(by)
        elif by > 0:
            self.post_message(self.Kept())

    def suggest_history(self) -> None:
        """Suggest earlier filters that contain the typed text."""
        typed = fold_case(self.value.strip())
        found = tuple(Suggestion(text) for text in self.history if typed in fold_case(text) and text != self.value)
        self._suggest(Suggestions(0, len(self.value), found))

    def complete(self) -> None:
        """Accept the selected suggestion, or the first; if the filter is empty, suggest all fields."""
        if self.suggests:
            self._accept(self._suggestions.chosen or 0)
        elif not self.value.strip():
            self._suggest(fields(self.words))

    def _accept(self, at: int) -> None:
        text, cursor = self._offers.insert(self.value, at)
        self.hide_suggestions()
        self.line.value = text
        self.line.cursor_position = cursor

    def on_suggestion_list_taken(self, event: SuggestionList.Taken) -> None:
        """Accept the clicked suggestion."""
        self._accept(event.at)
        self.line.focus()

    # -- leaving the bar --------------------------------------------------------------------------

    def keep(self) -> None:
        """Accept the selected suggestion, or keep the filter."""
        if self.suggests and self._suggestions.chosen is not None:
            self._accept(self._suggestions.chosen)
        else:
            self.post_message(self.Kept())

    def clear(self) -> None:
        """Deselect the suggestion, or clear the filter."""
        if self.suggests and self._suggestions.chosen is not None:
            self.hide_suggestions()
            return
        self.line.value = ""
        self.post_message(self.Cleared())

    def ask_to_save(self) -> None:
        """Ask to save the filter, if there is one."""
        self.hide_suggestions()
        if self.value.strip():
            self.post_message(self.SaveRequested())
