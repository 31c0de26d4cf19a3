"""The line above the arguments of a form: whether they are shown as fields or as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from rich.style import Style

from ..base.choice_bar import Choice, ChoiceBar, Part


class FormModes(ChoiceBar):
    """Form or JSON. Only the other mode can be clicked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._as_json = False

    def show(self, *, as_json: bool) -> None:
        """Show which mode is on."""
        self._as_json = as_json
        self.refresh()

    def compose_line(self, width: int) -> Iterable[Part]:
        quiet, strong, accent = self.style("quiet"), self.style("strong"), self.style("accent")
        yield [("arguments   ", quiet + Style(bold=True))], None
        for word, as_json in (("form", False), ("JSON", True)):
            chosen = as_json == self._as_json
            pieces = [("▸" if chosen else " ", accent), (word, strong if chosen else quiet)]
            yield pieces, None if chosen else Choice(word)
            yield [("  ", quiet)], None
