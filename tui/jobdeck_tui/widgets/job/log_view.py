"""The log of a job: grows while it runs, follows its end, and finds text in itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from ..base.styled_text import Told
from ..base.text_view import MOST, LinesView

MATCHES = 10_000
"""Matches that are counted; beyond that there are "more than" so many."""


class LogView(LinesView):
    """Told lines of a log. Where a text is searched, its matches are marked and can be walked through."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "follow", tooltip="Follow the end as it grows, or stay where one is"),
    ]

    def __init__(self, title: str, digit: str, *, id: str | None = None) -> None:
        super().__init__(title, digit, follow=True, id=id)
        self.sought = ""
        """The text that is searched; empty where none is."""
        self.matches: list[tuple[int, int]] = []
        """Where it is found: line and place in the line's text."""
        self.current = 0
        """Which of the matches stands out, from 0."""
        self._live = False

    # -- what is shown ----------------------------------------------------------------------------

    def show(self, told: Sequence[Told]) -> None:
        if told != self.told:
            self.told = list(told)
            self.matches = self._found_from(0)
            self._wrap_all()
            self._title()

    def extend(self, told: Sequence[Told]) -> None:
        first = len(self.told)
        self.told += told
        if len(self.told) > 2 * MOST:  # it may run for days
            self.show(self.told[-MOST:])
            return
        self.matches += self._found_from(first)
        self._add(told)
        self._title()

    def live(self, live: bool) -> None:
        """Whether more may come."""
        self._live = live
        self._title()

    def _title(self) -> None:
        parts = ["live" if self._live else "", "follows" if self._live and self._follow else ""]
        if self.sought:
            more = "more than " if len(self.matches) >= MATCHES else ""
            at = f"{self.current + 1:,} of " if self.matches else ""
            parts.append(f"{at}{more}{len(self.matches):,} match{'es' * (len(self.matches) != 1)}")
        self.titled(" · ".join(filter(None, parts)))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self.is_mounted and self._live:
            self._title()

    # -- search -----------------------------------------------------------------------------------

    def find(self, text: str) -> int:
        """Mark where the text is; go to the first match that is on the screen or below. Returns how many there are.

        A text without capital letters is found in any case.
        """
        if text == self.sought:
            return len(self.matches)
        self.sought = text
        self.matches = self._found_from(0)
        top = self.told_at(round(self.scroll_offset.y))
        self.current = next((at for at, (line, _) in enumerate(self.matches) if line >= top), 0)
        self._wrap_all()
        self._go()
        return len(self.matches)

    def turn(self, by: int) -> bool:
        """Go to the next match, or the one before; `False` if there is none."""
        if not self.matches:
            return False
        before = self.current
        self.current = (self.current + by) % len(self.matches)
        if self.matches[before] != self.matches[self.current]:
            self._wrap_all()
        self._go()
        return True

    def _found_from(self, first: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        if not self.sought:
            return found
        as_it_is = self.sought != self.sought.lower()
        for at in range(first, len(self.told)):
            text = self.told[at][-1][0] if self.told[at] else ""
            text = text if as_it_is else text.lower()
            place = text.find(self.sought)
            while place >= 0 and len(found) < MATCHES:
                found.append((at, place))
                place = text.find(self.sought, place + len(self.sought))
        return found

    def dressed(self, at: int) -> tuple[Told, int | None]:
        told = self.told[at]
        if not self.sought or not self.matches:
            return told, None
        first = bisect_of(self.matches, at)
        if first >= len(self.matches) or self.matches[first][0] != at:
            return told, None
        *head, (text, meaning) = told
        pieces: Told = [*head]
        begin = 0
        for number in range(first, len(self.matches)):
            line, place = self.matches[number]
            if line != at:
                break
            end = place + len(self.sought)
            pieces += [(text[begin:place], meaning), (text[place:end], "found" if number == self.current else "match")]
            begin = end
        pieces.append((text[begin:], meaning))
        return [piece for piece in pieces if piece[0]], len(head)

    def _go(self) -> None:
        """Bring the current match onto the screen."""
        self._title()
        if not self.matches:
            return
        row = self.row_of(self.matches[self.current][0])
        while row < len(self._wrapped) and not any(meaning == "found" for _, meaning in self._wrapped[row]):
            row += 1
        top, height = round(self.scroll_offset.y), max(1, self.scrollable_content_region.height)
        if not top <= row < top + height:
            self.scroll_to(y=max(0, row - height // 2), animate=False, force=True, immediate=True)

    def action_follow(self) -> None:
        """Follow the end, or stay."""
        self._follow = not (self._follow and self.at_end)
        if self._follow:
            self.scroll_end(animate=False)
        self._title()

    def action_edge(self, by: int) -> None:
        super().action_edge(by)
        self._follow = self._follow or by > 0
        self._title()


def bisect_of(matches: Sequence[tuple[int, int]], line: int) -> int:
    """The first match that is not before the line."""
    from bisect import bisect_left

    return bisect_left(matches, (line, -1))
