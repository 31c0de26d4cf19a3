"""The arguments of a kind in a form: a field each, or all of them as JSON. What was typed is kept on the way, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Select, Static, TextArea

from jobdeck import Kind, Parameter

from ...forms.shell_line import needs_shell, read_line, shown_line
from ...forms.values import fits_fields, pretty_json, read_value, short_type
from ...text.sanitize import safe
from .checkbox import Checkbox
from .field import Field
from .form_modes import FormModes
from .json_area import JsonArea, JsonProblem, place_of, read_object

SHELL = "shell"
_SHELL_SHOWN = ("command", "shell", "cwd")
"""What of a command the form shows; the environment is there as JSON."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was typed: the arguments, and of each that cannot be read why not."""

    args: Mapping[str, Any]
    problems: Mapping[str, str] = field(default_factory=dict)


class Arguments(Vertical):
    """The arguments of one kind; `fill` gives it another."""

    class Changed(Message):
        """Something was typed, or came to be shown in another way."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kind: Kind | None = None
        self._rest: dict[str, Any] = {}
        self._as_json = False
        self._was = ""
        self._touched = False
        self._silent = 0

    def compose(self) -> ComposeResult:
        yield FormModes(id="form-modes")
        yield Vertical(id="argument-fields")
        with Vertical(id="argument-json"):
            yield JsonArea(id="json")
            yield Static("", id="json-takes")

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def kind(self) -> Kind:
        """Whose arguments these are."""
        assert self._kind is not None
        return self._kind

    @property
    def filled(self) -> bool:
        """Whether it has got a kind yet."""
        return self._kind is not None

    @property
    def as_json(self) -> bool:
        """Whether they are shown as JSON."""
        return self._as_json

    @property
    def fields(self) -> Sequence[Field]:
        """The fields, shown or not."""
        return [*self.query(Field)]

    @property
    def touched(self) -> bool:
        """Whether a person has typed anything."""
        if self._as_json:
            return self._touched or self.query_one(JsonArea).text != self._was
        self._touched = self._touched or any(each.touched for each in self.fields)
        return self._touched

    @property
    def first(self) -> Widget | None:
        """Where to begin."""
        if self._as_json:
            return self.query_one(JsonArea)
        return self.fields[0].entry if self.fields else None

    async def fill(self, kind: Kind, args: Mapping[str, Any], *, as_json: bool = False) -> None:
        """Show the arguments of a kind, filled in as far as they are given."""
        self._kind, self._touched = kind, False
        await self._make_fields(args)
        self.query_one("#json-takes", Static).update(_takes(kind.parameters))
        if not args and not kind.parameters and not as_json:
            self._turn(as_json=False)
        elif as_json or self._refusal(args) is not None:
            self._show_json(args)
        else:
            self._turn(as_json=False)

    async def _make_fields(self, args: Mapping[str, Any]) -> None:
        made = self._command_fields(args) if self.kind.name == SHELL else self._plain_fields(args)
        shown = {each.key for each in made}
        self._rest = {name: value for name, value in args.items() if name not in shown}
        box = self.query_one("#argument-fields", Vertical)
        await box.remove_children()
        await box.mount(*made)
        if not made:
            await box.mount(Static("  it takes no arguments", classes="form-note"))

    def _plain_fields(self, args: Mapping[str, Any]) -> list[Field]:
        return [Field.of(each, each.name in args, args.get(each.name)) for each in self.kind.parameters]

    def _command_fields(self, args: Mapping[str, Any]) -> list[Field]:
        """One line, as in a shell, and a box that says who reads it."""
        line = Input(shown_line(args) or "", placeholder="gzip -9 access.log", compact=True)
        box = Checkbox(args.get("shell") is True, words=("sh reads it: | > * $ …", "the program gets it as it is"))
        box.turned = "command" in args
        folder = Input(str(args.get("cwd") or ""), placeholder="where the worker runs", compact=True)
        return [
            Field("command", line, "as typed in a shell", required=True),
            Field("shell", box, "", label="through sh"),
            Field("cwd", folder, "the folder it runs in", label="folder"),
        ]

    # -- what was typed ---------------------------------------------------------------------------

    def made(self) -> Made:
        """What was typed, read."""
        if self._as_json:
            area = self.query_one(JsonArea)
            try:
                return Made(read_object(area.text))
            except JsonProblem as problem:
                area.mark((problem.line, problem.column))
                return Made({}, {"JSON": str(problem)})
        return self._made_command() if self.kind.name == SHELL else self._made_plain()

    def _made_plain(self) -> Made:
        args = dict(self._rest)
        for each, parameter in zip(self.fields, self.kind.parameters, strict=True):
            if isinstance(each.entry, Input):
                if each.text or (parameter.required and parameter.type == "str" and self.touched):
                    args[each.key] = read_value(each.text, parameter.type)
            elif each.value is not None and (each.touched or parameter.required or each.value != parameter.default):
                args[each.key] = each.value
        return Made(args)

    def _made_command(self) -> Made:
        line, box, folder = self.fields
        args = dict(self._rest)
        if folder.text:
            args["cwd"] = folder.text
        try:
            return Made(args | read_line(line.text, shell=bool(box.value)))
        except ValueError as problem:
            return Made(args, {"command": str(problem)} if self.touched else {})

    def show(self, problems: Mapping[str, str], *, quiet: bool) -> dict[str, str]:
        """Say at each argument what is wrong with it; returns what is about none of them.

        Args:
            problems: field → problem.
            quiet: say nothing yet, as long as nothing was typed.
        """
        rest = dict(problems)
        if not self._as_json:
            for each in self.fields:
                problem = rest.pop(each.key, None)
                each.problem(None if quiet else problem)
            return rest
        area = self.query_one(JsonArea)
        names = {each.name for each in self.kind.parameters}
        told = rest.pop("JSON", None)
        place = area.mistake if told is not None else None
        for name in [name for name in rest if name in names or f'"{name}"' in area.text]:
            if told is None:
                line, column = place_of(area.text, name)
                told, place = f"line {line}: {name} {rest[name]}", (line, column)
                if f'"{name}"' not in area.text:
                    told, place = f"{name} {rest[name]}", None
            rest.pop(name)
        area.mark(place)
        # Told below the fields, where it is in sight however far they are scrolled.
        return rest if told is None else {"*": told, **rest}

    # -- the other way ----------------------------------------------------------------------------

    async def switch(self) -> str | None:
        """Show them the other way; returns why that cannot be, if it cannot."""
        made = self.made()
        self._touched = self.touched
        if not self._as_json:
            line = self.fields[0].text if self.kind.name == SHELL and self.fields else ""
            if made.problems:
                return f"{line} {next(iter(made.problems.values()))}".strip()
            self._show_json(made.args)
            return None
        if made.problems:
            return next(iter(made.problems.values()))
        refusal = self._refusal(made.args)
        if refusal is None:
            await self._make_fields(made.args)
            self._turn(as_json=False)
        return refusal

    def _refusal(self, args: Mapping[str, Any]) -> str | None:
        if self.kind.name == SHELL:
            return None if shown_line(args) is not None else "the command fits no line; edit it as JSON"
        return fits_fields(self.kind.parameters, args)

    def _show_json(self, args: Mapping[str, Any]) -> None:
        area = self.query_one(JsonArea)
        area.text = self._was = pretty_json(args)
        area.move_cursor(area.document.end if args else (0, 1))
        self._turn(as_json=True)

    def _turn(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.query_one("#argument-fields").display = not as_json
        self.query_one("#argument-json").display = as_json
        self.query_one(FormModes).show(as_json=as_json)

    # -- typing -----------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        """A line was typed. A command that only a shell understands is given to one, until a person decides."""
        event.stop()
        if self._kind is not None and self.kind.name == SHELL and self.fields and event.input is self.fields[0].entry:
            box = self.fields[1].entry
            if isinstance(box, Checkbox) and not box.turned:
                box.value = needs_shell(event.value)
        self.post_message(self.Changed())

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        """A box was ticked."""
        event.stop()
        self.post_message(self.Changed())

    def on_select_changed(self, event: Select.Changed) -> None:
        """A choice was made."""
        event.stop()
        self.post_message(self.Changed())

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """JSON was typed."""
        event.stop()
        self.query_one(JsonArea).mark(None)
        self.post_message(self.Changed())


def _takes(parameters: Sequence[Parameter]) -> str:
    """What the kind takes, in a line."""
    told = [f"{safe(each.name)}{'*' * each.required} {_json_type(each)}" for each in parameters]
    return "takes " + " · ".join(told) if told else "it takes no arguments"


def _json_type(parameter: Parameter) -> str:
    return "true or false" if parameter.type == "bool" else short_type(parameter)
