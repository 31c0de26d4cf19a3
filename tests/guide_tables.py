"""The tables of the guide that are made from the code: settings, keys, filter fields.

python tests/guide_tables.py --write    brings the pages up to date; without it, pages that are not are named
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "core"), str(ROOT / "tui")]

GUIDE = ROOT / "tui" / "jobdeck_tui" / "guide"
_REGION = re.compile(r"<!-- generated: (.+?) -->\n(.*?)<!-- end -->\n", re.DOTALL)
_OWN_TABLE = 13
"""A screen with at least this many lines gets a table of its own."""


def settings_table() -> str:
    """Every setting of `Settings.describe()`."""
    from jobdeck import Settings

    rows = []
    for name, default, meaning in Settings.describe():
        rows.append((f"`{name}`", f"`{default.removesuffix('.0')}`" if default else "", meaning))
    return _table(("variable", "default", "meaning"), rows)


def fields_table() -> str:
    """Every field of the filter language."""
    from jobdeck import FIELDS

    compared = ("number", "duration")
    rows = [
        (f"`{name}`", {"part": "part of the text"}.get(reading, reading), "yes" if reading in compared else "", meaning)
        for name, (reading, meaning) in FIELDS.items()
    ]
    rows.append(("`args.NAME`", "name", "", "a value inside the arguments"))
    return _table(("field", "value", "`<` `>`", "meaning"), rows)


def keys_table() -> str:
    """Every action of the keymap. Opposite actions share a line; small screens and dialogs share a table."""
    from jobdeck_tui.app import Cockpit
    from jobdeck_tui.keymap import actions

    large, small = [], []
    for scope, own in groupby(actions(Cockpit), key=lambda action: action.scope):
        lines = [_line(list(pair)) for _, pair in groupby(own, key=lambda action: _base(action.name))]
        (large if len(lines) >= _OWN_TABLE else small).append((scope, lines))
    large.sort(key=lambda each: -len(each[1]))
    parts = [f"## [{scope}]\n\n{_table(('keys', 'action'), lines)}" for scope, lines in large]
    compact = [(f"`{scope}`", "; ".join(f"{keys} {text}" for keys, text in lines)) for scope, lines in small]
    parts.append(f"## Other screens, dialogs and panels\n\n{_table(('where', 'keys'), compact)}")
    return "\n".join(parts)


def _base(name: str) -> str:
    """The name of an action without its direction: `priority` of `priority-minus-1`; digits open screens of one list."""
    found = re.fullmatch(r"(.+?)(-minus)?-\d+", name)
    return found[1] if found else name


def _line(actions: Sequence[object]) -> tuple[str, str]:
    from jobdeck_tui.keymap import short_name

    keys = [short_name(key) for action in actions for key in action.keys]  # type: ignore[attr-defined]
    told = dict.fromkeys(_lower(action.description) for action in actions)  # type: ignore[attr-defined]
    return " ".join(f"`{key}`" for key in keys), " / ".join(told)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(heads), "|" + "---|" * len(heads), *map(_row, rows)]
    return "".join(f"{line}\n" for line in lines)


def _row(cells: Sequence[str]) -> str:
    return "".join(f"| {cell.replace('|', chr(92) + '|')} " if cell else "| " for cell in cells) + "|"


TABLES: dict[str, Callable[[], str]] = {"settings": settings_table, "keys": keys_table, "filter fields": fields_table}


def updated(text: str) -> str:
    """A page with its tables as the code makes them now."""
    return _REGION.sub(lambda found: f"<!-- generated: {found[1]} -->\n{TABLES[found[1]]()}<!-- end -->\n", text)


def main() -> int:
    """Write the pages, or name those that are not up to date."""
    stale = [page for page in sorted(GUIDE.glob("*.md")) if updated(page.read_text()) != page.read_text()]
    for page in stale:
        if "--write" in sys.argv:
            page.write_text(updated(page.read_text()))
        print(f"{page.relative_to(ROOT)} {'is up to date now' if '--write' in sys.argv else 'is not up to date'}")
    return 0 if "--write" in sys.argv else bool(stale)


if __name__ == "__main__":
    sys.exit(main())
