"""The placeholders of `jobdeck run --each`, as GNU parallel has them. Pure.

{}    the line                      logs/a.tar.gz
{.}   without its extension         logs/a.tar
{/}   without its folder            a.tar.gz
{//}  its folder                    logs
{/.}  without folder and extension  a.tar
{#}   the number of the line, from 1
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence

_PLACEHOLDER = re.compile(r"\{(?:\.|//|/\.|/|#)?\}")
_EXTENSION = re.compile(r"\.[^/.]+\Z")


def _base(text: str) -> str:
    return text.rpartition("/")[2]


def _bare(text: str) -> str:
    return _EXTENSION.sub("", text)


def _folder(text: str) -> str:
    """Return the folder as dirname(1) does: `.` for a name without one, `/` for the root."""
    path = text.rstrip("/")
    if not path:
        return "/" if text else "."
    folder, slash, _ = path.rpartition("/")
    return folder.rstrip("/") or slash or "."


_READERS: Mapping[str, Callable[[str], str]] = {
    "{}": lambda text: text,
    "{.}": _bare,
    "{/}": _base,
    "{//}": _folder,
    "{/.}": lambda text: _bare(_base(text)),
}


def has_placeholder(text: str) -> bool:
    """Return whether the text has a placeholder."""
    return _PLACEHOLDER.search(text) is not None


def fill(text: str, line: str, number: int, *, quote: bool = False) -> str:
    """Return the text with its placeholders replaced.

    Args:
        text: the text.
        line: the line that they stand for.
        number: its number.
        quote: quote each value for a shell.
    """

    def value(match: re.Match[str]) -> str:
        found = str(number) if match[0] == "{#}" else _READERS[match[0]](line)
        return shlex.quote(found) if quote else found

    return _PLACEHOLDER.sub(value, text)


def fill_command(command: Sequence[str], line: str, number: int, *, shell: bool) -> list[str]:
    """Return the command for a line; without a placeholder the line is added at its end. In a shell, values are quoted."""
    template = [*command]
    if not any(map(has_placeholder, template)):
        if shell:
            template[-1] += " {}"
        else:
            template.append("{}")
    return [fill(part, line, number, quote=shell) for part in template]
