"""The arguments of a kind in a form: one field each, or all of them as JSON. Switching keeps what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Select, Static, TextArea

from jobdeck import Kind, Parameter, record

from ...forms.shell_line import format_line, needs_shell, read_line
from ...forms.values import fits_fields, pretty_json, read_value, short_type
from ...text.arguments import editable_arguments, edited_arguments
from ...text.sanitize import safe
from ..base.text_input import TextInput
from .checkbox import Checkbox
from .field import Field
from .form_modes import FormModes
from .json_area import JsonArea, JsonProblem, parse_object, place_of

SHELL = "shell"
_SHELL_SHOWN = ("command", "shell", "cwd")
"""The arguments of a shell job that have fields; the environment can be edited as JSON."""


@record
class ParsedArguments:
    """The parsed arguments, and the error of each that cannot be parsed."""

    args: Mapping[str, Any]
    problems: Mapping[str, str] = field(default_factory=dict)


class ArgumentsForm(Vertical):
    """The arguments of one kind; `fill` switches to another."""

    class Changed(Message):
        """An argument or the mode has changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kind: Kind | None = None
        self._other_args: dict[str, Any] = {}
        self._shown_args: Mapping[str, Any] = {}
        self._as_json = False
        self._initial_json = ""
        self._touched = False

    def compose(self) -> ComposeResult:
        yield FormModes(id="form-modes")
        yield Vertical(id="argument-fields")
        with Vertical(id="argument-json"):
            yield JsonArea(id="json")
            yield Static("", id="json-takes")

    # -- content -----------------------------------------------------------------------------------

    @property
    def kind(self) -> Kind:
        """The kind."""
        assert self._kind is not None
        return self._kind

    @property
    def has_kind(self) -> bool:
        """Return whether a kind has been set."""
        return self._kind is not None

    @property
    def as_json(self) -> bool:
        """Return whether the arguments are shown as JSON."""
        return self._as_json

    @property
    def fields(self) -> Sequence[Field]:
        """The fields, visible or not."""
        return [*self.query(Field)]

    @property
    def touched(self) -> bool:
        """Return whether the user has changed anything."""
        if self._as_json:
            return self._touched or self.query_one(JsonArea).text != self._initial_json
        self._touched = self._touched or any(each.touched for each in self.fields)
        return self._touched

    @property
    def first_input(self) -> Widget | None:
        """The first input, to focus."""
        if self._as_json:
            return self.query_one(JsonArea)
        return self.fields[0].entry if self.fields else None

    async def fill(self, kind: Kind, args: Mapping[str, Any], *, as_json: bool = False) -> None:
        """Show the arguments of a kind, with the given values."""
        self._kind, self._touched = kind, False
        await self._create_fields(args)
        self.query_one("#json-takes", Static).update(_list_parameters(kind.parameters))
        if not args and not kind.parameters and not as_json:
            self._show_mode(as_json=False)
        elif as_json or self._why_no_fields(args) is not None:
            self._show_json(args)
        else:
            self._show_mode(as_json=False)

    async def _create_fields(self, args: Mapping[str, Any]) -> None:
        made = self._command_fields(args) if self.kind.name == SHELL else self._plain_fields(args)
        shown = {each.key for each in made}
        self._other_args = {name: value for name, value in args.items() if name not in shown}
        box = self.query_one("#argument-fields", Vertical)
        await box.remove_children()
        await box.mount(*made)
        if not made:
            await box.mount(Static("  no arguments", classes="form-note"))

    def _plain_fields(self, args: Mapping[str, Any]) -> list[Field]:
        return [Field.for_parameter(each, each.name in args, args.get(each.name)) for each in self.kind.parameters]

    def _command_fields(self, args: Mapping[str, Any]) -> list[Field]:
        """Create the fields of a command: a line as in a shell, whether to run it through sh, and the folder."""
        line = TextInput(format_line(args) or "", placeholder="gzip -9 access.log", compact=True)
        box = Checkbox(args.get("shell") is True, words=("sh interprets | > * $ …", "passed to the program as is"))
        box.set_by_user = "command" in args
        folder = TextInput(str(args.get("cwd") or ""), placeholder="the folder of the worker", compact=True)
        return [
            Field("command", line, "as typed in a shell", required=True),
            Field("shell", box, "", label="through sh"),
            Field("cwd", folder, "the working folder", label="folder"),
        ]

    # -- parsing ----------------------------------------------------------------------------------

    def parse(self) -> ParsedArguments:
        """Parse the typed arguments."""
        if self._as_json:
            area = self.query_one(JsonArea)
            try:
                return ParsedArguments(edited_arguments(self.kind.name, parse_object(area.text), self._shown_args))
            except JsonProblem as problem:
                area.mark((problem.line, problem.column))
                return ParsedArguments({}, {"JSON": str(problem)})
        return self._parse_command() if self.kind.name == SHELL else self._parse_fields()

    def _parse_fields(self) -> ParsedArguments:
        args = dict(self._other_args)
        for each, parameter in zip(self.fields, self.kind.parameters, strict=True):
            if isinstance(each.entry, Input):
                if (each.text and each.is_given) or (parameter.required and parameter.type == "str" and self.touched):
                    args[each.key] = read_value(each.text, parameter.type)
            elif each.value is not None and (each.is_given or parameter.required):
                args[each.key] = each.value
        return ParsedArguments(args)

    def _parse_command(self) -> ParsedArguments:
        line, box, folder = self.fields
        args = dict(self._other_args)
        if folder.text:
            args["cwd"] = folder.text
        try:
            return ParsedArguments(args | read_line(line.text, shell=bool(box.value)))
        except ValueError as problem:
            return ParsedArguments(args, {"command": str(problem)} if self.touched else {})

    def show_problems(self, problems: Mapping[str, str], *, quiet: bool) -> dict[str, str]:
        """Show the errors at their fields.

        Args:
            problems: field → error.
            quiet: hide the errors, while nothing has been typed.

        Returns:
            The errors that belong to no field.
        """
        rest = dict(problems)
        if not self._as_json:
            for each in self.fields:
                problem = rest.pop(each.key, None)
                each.show_problem(None if quiet else problem)
            return rest
        area = self.query_one(JsonArea)
        names = {each.name for each in self.kind.parameters}
        message = rest.pop("JSON", None)
        place = area.error_position if message is not None else None
        for name in [name for name in rest if name in names or f'"{name}"' in area.text]:
            if message is None:
                line, column = place_of(area.text, name)
                message, place = f"line {line}: {name} {rest[name]}", (line, column)
                if f'"{name}"' not in area.text:
                    message, place = f"{name} {rest[name]}", None
            rest.pop(name)
        area.mark(place)
        # The form shows it below the fields, visible at any scroll position.
        return rest if message is None else {"*": message, **rest}

    # -- the mode ---------------------------------------------------------------------------------

    async def switch(self) -> str | None:
        """Switch between fields and JSON; return the reason if that is not possible."""
        made = self.parse()
        self._touched = self.touched
        if not self._as_json:
            line = self.fields[0].text if self.kind.name == SHELL and self.fields else ""
            if made.problems:
                return f"{line} {next(iter(made.problems.values()))}".strip()
            self._show_json(made.args)
            return None
        if made.problems:
            return next(iter(made.problems.values()))
        refusal = self._why_no_fields(made.args)
        if refusal is None:
            await self._create_fields(made.args)
            self._show_mode(as_json=False)
        return refusal

    def _why_no_fields(self, args: Mapping[str, Any]) -> str | None:
        if self.kind.name == SHELL:
            return None if format_line(args) is not None else "the command does not fit on one line; edit it as JSON"
        return fits_fields(self.kind.parameters, args)

    def _show_json(self, args: Mapping[str, Any]) -> None:
        area = self.query_one(JsonArea)
        self._shown_args = args
        area.text = self._initial_json = pretty_json(editable_arguments(self.kind.name, args))
        area.move_cursor(area.document.end if args else (0, 1))
        self._show_mode(as_json=True)

    def _show_mode(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.query_one("#argument-fields").display = not as_json
        self.query_one("#argument-json").display = as_json
        self.query_one(FormModes).show(as_json=as_json)

    # -- changes ----------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        """Report the change. Select sh for a command that needs it, until the user decides."""
        event.stop()
        if self._kind is not None and self.kind.name == SHELL and self.fields and event.input is self.fields[0].entry:
            box = self.fields[1].entry
            if isinstance(box, Checkbox) and not box.set_by_user:
                box.value = needs_shell(event.value)
        self.post_message(self.Changed())

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        """Report the change."""
        event.stop()
        self.post_message(self.Changed())

    def on_select_changed(self, event: Select.Changed) -> None:
        """Report the change."""
        event.stop()
        self.post_message(self.Changed())

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Report the change, and clear the error mark."""
        event.stop()
        self.query_one(JsonArea).mark(None)
        self.post_message(self.Changed())


def _list_parameters(parameters: Sequence[Parameter]) -> str:
    """Return the parameters of a kind on one line."""
    parameter_texts = [f"{safe(each.name)}{'*' * each.required} {_json_type(each)}" for each in parameters]
    return "takes " + " · ".join(parameter_texts) if parameter_texts else "no arguments"


def _json_type(parameter: Parameter) -> str:
    return "true or false" if parameter.type == "bool" else short_type(parameter)
