"""What of a job shall be copied? A letter each, or the cursor and enter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from jobdeck import Attempt

from ..feed.messages import Detail
from ..forms.cli_command import command_of


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a job that can be copied."""

    key: str
    name: str
    text: str | None
    """`None`: there is none."""


def parts_of(detail: Detail, attempt: Attempt | None) -> Sequence[Part]:
    """What there is to copy; of the attempts the chosen one, or the newest."""
    job = detail.job
    assert job is not None
    if attempt is None and detail.attempts:
        attempt = detail.attempts[-1]
    error = traceback = None
    if attempt is not None:
        error = ": ".join(part for part in (attempt.error_type, attempt.message) if part) or None
        traceback = attempt.traceback or None
    stack = (detail.stack.text or None) if detail.stack is not None else None
    log = "\n".join(line.text for line in detail.logs) or None
    return (
        Part("y", "id", str(job.id)),
        Part("Y", "command that enqueues it again", command_of(job)),
        Part("a", "arguments", job.args_json),
        Part("r", "result", job.result_json),
        Part("e", "error", error or job.error),
        Part("t", "traceback", traceback),
        Part("s", "stack", stack),
        Part("l", "log" if not detail.log_cut else "log, the newest part", log),
    )


class CopyScreen(ModalScreen[Part | None]):
    """Answers with the part, or with none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "leave", "leave"),
        Binding("j", "move(1)", "down", show=False, system=True),
        Binding("k", "move(-1)", "up", show=False, system=True),
        *(
            Binding(key, f"take('{key}')", f"copy the {name}", show=False)
            for key, name in (
                ("y", "id"),
                ("Y", "command"),
                ("a", "arguments"),
                ("r", "result"),
                ("e", "error"),
                ("t", "traceback"),
                ("s", "stack"),
                ("l", "log"),
            )
        ),
    ]

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self._parts = parts

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="copy-job"):
            yield OptionList(
                *(Option(_told(part), id=part.name, disabled=part.text is None) for part in self._parts), compact=True
            )
            yield Static(
                Content.assemble(
                    ("⏎", "$accent"), (" or its letter copies   ", "$quiet"), ("esc", "$accent"), (" leave", "$quiet")
                ),
                id="copy-foot",
            )

    def on_mount(self) -> None:
        """Name it."""
        self.query_one("#copy-job").border_title = Content.assemble(("copy", "bold"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Copy what the cursor is on, or what was clicked."""
        event.stop()
        self.dismiss(self._parts[event.option_index])

    def action_take(self, key: str) -> None:
        """Copy what has this letter, if there is any of it."""
        part = next(part for part in self._parts if part.key == key)
        if part.text is not None:
            self.dismiss(part)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        options = self.query_one(OptionList)
        (options.action_cursor_down if by > 0 else options.action_cursor_up)()

    def action_leave(self) -> None:
        """Copy nothing."""
        self.dismiss(None)


def _told(part: Part) -> Content:
    size = "none" if part.text is None else _size(len(part.text))
    return Content.assemble((f" {part.key}  ", "$accent"), (part.name.ljust(34), ""), (f"{size:>18} ", "$quiet"))


def _size(characters: int) -> str:
    return f"{characters:,} character{'s' * (characters != 1)}"
