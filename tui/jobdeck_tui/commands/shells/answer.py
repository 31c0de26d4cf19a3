"""Answer a shell that asks how the word at the cursor may continue.

The scripts in this folder call `jobdeck` with `_JOBDECK_COMPLETE=<shell>` and the typed words as its arguments, still quoted.
The answer begins with one of `values`, `nospace` (bash: no blank after the word), `files`, `folders`, `programs` and
`command N` (the shell completes the command whose first word is the N-th, in bash the one at the N-th character), and goes
on with the values: for bash one a line, ready to be inserted; for zsh and fish as they are, with NUL between them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import ShellComplete

from ...text.sanitize import pad, safe, width
from ...text.shell_words import Word, open_quote, quote_for_bash, split, unquote, unquote_fish

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VARIABLE = "_JOBDECK_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
_OPEN_ENDS = (":", "=", "<", ">", ".", "/")
"""A value that ends so continues: no blank follows it."""


def script(shell: str) -> str:
    """Return the script that a shell loads."""
    return (Path(__file__).parent / f"jobdeck.{shell}").read_text(encoding="utf-8")


def answer(command: click.Command, shell: str, args: Sequence[str]) -> bytes:
    """Return the answer to a shell.

    Args:
        command: the root command.
        shell: bash, zsh or fish. An unknown one gets no answer.
        args: for bash the line up to the cursor and the part of it that bash will replace; otherwise the words, the one
            at the cursor last.
    """
    if shell == "bash":
        line, tail = args
        words = split(line)
        head = line[words[-1].start : len(line) - len(tail)]
        return _answer_bash(_complete(command, [word.text for word in words], words), head)
    unquoted = (
        [unquote(word) for word in args] if shell == "zsh" else [*args[:-1], unquote_fish(args[-1])] if shell == "fish" else []
    )
    if not unquoted:
        return b""
    what, items = _complete(command, unquoted)
    fields = [what, *(_zsh_fields(items) if shell == "zsh" else _fish_fields(items))]
    return b"".join(os.fsencode(each) + b"\0" for each in fields)


Found = tuple[str, list["CompletionItem"]]


def _complete(command: click.Command, words: Sequence[str], places: Sequence[Word] = ()) -> Found:
    """Return what may stand in the place of the last word, and the values if the command knows them."""
    if places and places[-1].after_redirection:
        return "files", []
    if places:
        kept = [place for place in places if not place.after_redirection]
        words, places = [place.text for place in kept], kept
    args, incomplete = [_expanded(word) for word in words[1:-1]], words[-1]
    prefix = ""
    if incomplete.startswith("--") and "=" in incomplete and "--" not in args:
        name, equals, incomplete = incomplete.partition("=")
        args.append(name)
        prefix = name + equals
    shell = _Completion(command, {}, "jobdeck", VARIABLE)
    items = shell.get_completions(args, incomplete)
    for item in items:
        match item.type:
            case "file":
                return "files", []
            case "dir":
                return "folders", []
            case "command":
                if not item.count:
                    return "programs", []
                first = len(words) - 1 - item.count
                return f"command {places[first].start if places else first}", []
    items = [item for item in items if item.value.startswith(incomplete)]  # click takes a single = for an empty word
    for item in items:
        item.value = prefix + item.value
    return "values", items


class _Completion(ShellComplete):
    """Completes the arguments of commands, which follow the options, as arguments even if they look like options."""

    name = "jobdeck"

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import _resolve_context

        ctx = _resolve_context(self.cli, self.ctx_args, self.prog_name, args.copy())
        rest = next((each for each in ctx.command.params if isinstance(each, click.Argument) and each.nargs == -1), None)
        if rest is not None and not ctx.allow_interspersed_args and ctx.params.get(str(rest.name)):
            return rest.shell_complete(ctx, incomplete)
        found = super().get_completions(args, incomplete)
        if incomplete or "--" in args:
            return found
        return [item for item in found if not item.value.startswith("-")]  # it would be read as an option


def _expanded(word: str) -> str:
    """Expand what a shell would expand in an earlier word, such as the database: the home folder, and variables."""
    if word.startswith("~/"):
        return str(Path(word).expanduser())
    return os.path.expandvars(word) if word.startswith("$") else word


def _answer_bash(found: Found, head: str) -> bytes:
    what, items = found
    typed = unquote(head)
    quote = open_quote(head)
    values = [item.value for item in items if item.value.startswith(typed)]
    if what == "values" and values and all(value.endswith(_OPEN_ENDS) for value in values):
        what = "nospace"
    lines = [what, *(quote_for_bash(value[len(typed) :], quote) for value in values)]
    return b"".join(os.fsencode(line) + b"\n" for line in lines)


def _zsh_fields(items: Sequence[CompletionItem]) -> Iterator[str]:
    """Yield `open` or `closed`, the value, and the line that lists it."""
    names = [safe(item.value) for item in items]
    columns = max(map(width, names), default=0)
    for item, name in zip(items, names, strict=True):
        help = safe(item.help or "")
        yield "open" if item.value.endswith(_OPEN_ENDS) else "closed"
        yield item.value
        yield f"{pad(name, columns)}  -- {help}" if help else name


def _fish_fields(items: Sequence[CompletionItem]) -> Iterator[str]:
    """Yield each value with its description after a tab."""
    for item in items:
        if "\t" not in item.value:
            help = safe(item.help or "")
            yield f"{item.value}\t{help}" if help else item.value


def main(command: click.Command, shell: str) -> None:
    """Answer a shell on standard output. Never fails: a message would garble the half-typed line."""
    try:
        found = answer(command, shell, sys.argv[1:])
        with open(1, "wb", closefd=False) as output:
            output.write(found)
    except Exception:
        return
