"""Drawing anew just the lines that look different from what is on the screen.

News come twice a second, and most of what they tell is what is there already. To draw all of it again costs the loop several
milliseconds, which a key that comes just then has to wait for.
"""

from __future__ import annotations

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Redrawn(Widget):
    """A widget whose lines are drawn one by one by `line_at`."""

    _on_screen: dict[int, Strip] | None = None

    def line_at(self, y: int) -> Strip:
        """Line `y` as it is to look now."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        if self._on_screen is None:
            self._on_screen = {}
        strip = self._on_screen[y] = self.line_at(y)
        return strip

    def redraw(self) -> None:
        """Draw the lines that have changed."""
        before, size = self._on_screen or {}, self.size
        changed = [Region(0, y, size.width, 1) for y in range(size.height) if before.get(y) != self.line_at(y)]
        if changed:
            self.refresh(*changed)
