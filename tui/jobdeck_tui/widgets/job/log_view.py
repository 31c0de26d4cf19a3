"""The log of a job: grows while the job runs, follows its end, and can be searched."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar

from textual.binding import Binding, BindingType

from jobdeck import find_all

from ..base.styled_text import StyledLine
from ..base.text_view import MOST, TextView

MATCHES = 10_000
"""The maximum number of matches counted; beyond it the title says "more than"."""


class LogView(TextView):
    """The lines of a log. Highlights the matches of a search and steps through them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "follow", tooltip="Follow the end, or stop following it"),
    ]

    def __init__(self, title: str, digit: str, *, id: str | None = None) -> None:
        super().__init__(title, digit, follow=True, id=id)
        self.search_text = ""
        """The text to search for; empty if there is no search."""
        self.matches: list[tuple[int, int, int]] = []
        """The matches: line, and start and end in the text of the line."""
        self.current = 0
        """The index of the current match."""
        self._live = False

    # -- content -----------------------------------------------------------------------------------

    def show(self, lines: Sequence[StyledLine]) -> None:
        if lines != self.lines:
            self.lines = list(lines)
            self.matches = self._find_from(0)
            self._wrap_all()
            self._update_title()

    def extend(self, lines: Sequence[StyledLine]) -> None:
        first = len(self.lines)
        self.lines += lines
        if len(self.lines) > 2 * MOST:  # the job may run for days
            self.show(self.lines[-MOST:])
            return
        self.matches += self._find_from(first)
        self._add(lines)
        self._update_title()

    def set_live(self, live: bool) -> None:
        """Set whether the job may still log."""
        self._live = live
        self._update_title()

    def _update_title(self) -> None:
        parts = ["live" if self._live else "", "follows" if self._live and self._follow else ""]
        if self.search_text:
            more = "more than " if len(self.matches) >= MATCHES else ""
            at = f"{self.current + 1:,} of " if self.matches else ""
            parts.append(f"{at}{more}{len(self.matches):,} match{'es' * (len(self.matches) != 1)}")
        self.set_title(" · ".join(filter(None, parts)))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self.is_mounted and self._live:
            self._update_title()

    # -- search -----------------------------------------------------------------------------------

    def find(self, text: str) -> int:
        """Highlight a text and go to the first match at or below the top of the screen.

        A text without capital letters matches in any case.

        Returns:
            The number of matches.
        """
        if text == self.search_text:
            return len(self.matches)
        self.search_text = text
        self.matches = self._find_from(0)
        top = self.index_at(round(self.scroll_offset.y))
        self.current = next((at for at, (line, _, _) in enumerate(self.matches) if line >= top), 0)
        self._wrap_all()
        self._go()
        return len(self.matches)

    def next_match(self, by: int) -> bool:
        """Go to the next or previous match; return `False` if there is none."""
        if not self.matches:
            return False
        before = self.current
        self.current = (self.current + by) % len(self.matches)
        if self.matches[before] != self.matches[self.current]:
            self._wrap_all()
        self._go()
        return True

    def _find_from(self, first: int) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []
        if not self.search_text:
            return found
        case_sensitive = self.search_text != self.search_text.lower()
        for at in range(first, len(self.lines)):
            text = self.lines[at][-1][0] if self.lines[at] else ""
            places = _find_exact(text, self.search_text) if case_sensitive else find_all(text, self.search_text)
            found += ((at, start, end) for start, end in islice(places, MATCHES - len(found)))
        return found

    def styled_line(self, at: int) -> tuple[StyledLine, int | None]:
        pieces = self.lines[at]
        if not self.search_text or not self.matches:
            return pieces, None
        first = _first_match_from(self.matches, at)
        if first >= len(self.matches) or self.matches[first][0] != at:
            return pieces, None
        *head, (text, meaning) = pieces
        marked: StyledLine = [*head]
        start = 0
        for number in range(first, len(self.matches)):
            line, place, end = self.matches[number]
            if line != at:
                break
            marked += [(text[start:place], meaning), (text[place:end], "found" if number == self.current else "match")]
            start = end
        marked.append((text[start:], meaning))
        return [piece for piece in marked if piece[0]], len(head)

    def _go(self) -> None:
        """Scroll the current match into view."""
        self._update_title()
        if not self.matches:
            return
        row = self.row_of(self.matches[self.current][0])
        while row < len(self._wrapped) and not any(meaning == "found" for _, meaning in self._wrapped[row]):
            row += 1
        top, height = round(self.scroll_offset.y), max(1, self.scrollable_content_region.height)
        if not top <= row < top + height:
            self.scroll_to(y=max(0, row - height // 2), animate=False, force=True, immediate=True)

    def action_follow(self) -> None:
        """Follow the end, or stop following it."""
        self._follow = not (self._follow and self.at_end)
        if self._follow:
            self.scroll_end(animate=False)
        self._update_title()

    def action_edge(self, by: int) -> None:
        super().action_edge(by)
        self._follow = self._follow or by > 0
        self._update_title()


def _find_exact(text: str, part: str) -> Iterator[tuple[int, int]]:
    at = text.find(part)
    while at >= 0:
        yield at, at + len(part)
        at = text.find(part, at + len(part))


def _first_match_from(matches: Sequence[tuple[int, int, int]], line: int) -> int:
    """Return the index of the first match at or after a line."""
    return bisect_left(matches, (line, -1, -1))
