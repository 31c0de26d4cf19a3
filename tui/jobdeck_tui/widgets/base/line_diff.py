"""Redraws only the lines that differ from what is on the screen.

Snapshots arrive twice a second and mostly repeat what is shown already. Drawing everything each time would block the event
loop for several milliseconds, and a key pressed meanwhile would wait.
"""

from __future__ import annotations

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class DiffedLines(Widget):
    """A widget that draws its lines one by one with `line_at`."""

    _on_screen: dict[int, Strip] | None = None

    def line_at(self, y: int) -> Strip:
        """Return line `y` as it should look now."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        if self._on_screen is None:
            self._on_screen = {}
        strip = self._on_screen[y] = self.line_at(y)
        return strip

    def redraw(self) -> None:
        """Redraw the lines that have changed."""
        before, size = self._on_screen or {}, self.size
        changed = [Region(0, y, size.width, 1) for y in range(size.height) if before.get(y) != self.line_at(y)]
        if changed:
            self.refresh(*changed)
