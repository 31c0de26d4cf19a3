"""Picks the part of a job to copy, by letter or with the cursor and enter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from jobdeck import Attempt, mask_arguments_json, record

from ..feed.messages import Detail
from ..forms.cli_command import enqueue_command
from .terminal_screen import TerminalDialog


@record
class Part:
    """A part of a job that can be copied."""

    key: str
    name: str
    text: str | None
    """`None` if the job has no such part."""


def parts_of(detail: Detail, attempt: Attempt | None) -> Sequence[Part]:
    """Return the parts to copy; error and traceback are those of the attempt, or of the latest one."""
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
        Part("Y", "command that enqueues it", enqueue_command(job)),
        Part("a", "arguments", mask_arguments_json(job.kind, job.args_json)),
        Part("r", "result", job.result_json),
        Part("e", "error", error or job.error),
        Part("t", "traceback", traceback),
        Part("s", "stack", stack),
        Part("i", "trace id", job.trace_id),
        Part("l", "log" if not detail.log_cut else "log (last part)", log),
    )


class CopyScreen(TerminalDialog[Part | None]):
    """The list of parts; returns the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "close", "close"),
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
                ("i", "trace id"),
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
                *(Option(_option_text(part), id=part.name, disabled=part.text is None) for part in self._parts), compact=True
            )
            yield Static(
                Content.assemble(
                    ("⏎", "$accent"), (" or a letter copies   ", "$quiet"), ("esc", "$accent"), (" close", "$quiet")
                ),
                id="copy-foot",
            )

    def on_mount(self) -> None:
        """Set the title."""
        self.query_one("#copy-job").border_title = Content.assemble(("copy", "bold"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Copy the selected or clicked part."""
        event.stop()
        self.dismiss(self._parts[event.option_index])

    def action_take(self, key: str) -> None:
        """Copy the part with this letter, if the job has it."""
        part = next(part for part in self._parts if part.key == key)
        if part.text is not None:
            self.dismiss(part)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        options = self.query_one(OptionList)
        (options.action_cursor_down if by > 0 else options.action_cursor_up)()

    def action_close(self) -> None:
        """Close without copying."""
        self.dismiss(None)


def _option_text(part: Part) -> Content:
    size = "none" if part.text is None else _size(len(part.text))
    return Content.assemble((f" {part.key}  ", "$accent"), (part.name.ljust(34), ""), (f"{size:>18} ", "$quiet"))


def _size(characters: int) -> str:
    return f"{characters:,} character{'s' * (characters != 1)}"
