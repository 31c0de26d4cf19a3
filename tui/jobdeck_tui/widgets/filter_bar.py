"""The line in which a filter is typed: it works while you type, completes fields and values, points at errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from jobdeck import Overview, Reason, State

FIELDS = (
    "state:",
    "queue:",
    "kind:",
    "tag:",
    "age<",
    "age>",
    "run>",
    "wait>",
    "attempt>=",
    "priority>=",
    "error:",
    "exception:",
    "place:",
    "id:",
    "args.",
    "worker:",
    "reason:",
    "crashes>",
    "batch:",
    "unique:",
)

REASONS = tuple(reason.replace(" ", "-") for reason in Reason)


class Completion(Suggester):
    """Completes the last word: a field, or a value of one."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.queues: tuple[str, ...] = ()
        self.kinds: tuple[str, ...] = ()

    async def get_suggestion(self, value: str) -> str | None:
        begin, _, word = value.rpartition(" ")
        begin += " " if _ else ""
        sign = "-" if word.startswith("-") else ""
        word = word.removeprefix("-")
        if not word:
            return None
        field, colon, typed = word.partition(":")
        if not colon:
            return self._first(begin + sign, word, FIELDS)
        known: dict[str, Iterable[str]] = {"state": [*State], "reason": REASONS, "queue": self.queues, "kind": self.kinds}
        before, comma, last = typed.rpartition(",")
        return self._first(f"{begin}{sign}{field}:{before}{comma}", last, known.get(field, ())) if last else None

    @staticmethod
    def _first(begin: str, typed: str, known: Iterable[str]) -> str | None:
        return next((begin + each for each in known if each.startswith(typed) and each != typed), None)


class FilterBar(Input):
    """Enter keeps the filter, escape clears it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_filter", "clear", tooltip="Show all jobs again"),
        Binding("enter", "submit", "keep", tooltip="Keep the filter and go back to the table"),
        Binding("tab,right", "complete", "complete", tooltip="Take the completion that is shown"),
        Binding("down", "submit", "to the table", show=False),
    ]

    class Cleared(Message):
        """No filter any more."""

    def __init__(self, *, id: str | None = None) -> None:
        self.completion = Completion()
        super().__init__(id=id, compact=True, placeholder="state:failed queue:mail kind:send* age>1h args.name:x free text")
        self.suggester = self.completion

    def learn(self, overview: Overview, kinds: Iterable[str]) -> None:
        """Know the queues and kinds that can be completed."""
        self.completion.queues = tuple(queue.name for queue in overview.queues)
        self.completion.kinds = tuple(kinds)

    def action_complete(self) -> None:
        """Take the completion, or move right."""
        self.action_cursor_right()

    def action_clear_filter(self) -> None:
        """Empty the line and leave it."""
        self.value = ""
        self.post_message(self.Cleared())
