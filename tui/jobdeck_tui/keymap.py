"""The keymap, and the file in which the user changes it: `keys.toml` in the config folder.

Every binding gets an id made of the place of its declaration and its action (`jobs.retry`), so that screens need not give one.
The file maps actions to keys. Keys before the first table apply to every screen; a table applies to one screen:

    down = ["j", "ctrl+n"]

    [jobs]
    retry = "R"
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys, key_to_character

from jobdeck import record

FILE = "keys.toml"
_PACKAGE = __package__ or "jobdeck_tui"
_MODIFIERS = {"ctrl", "shift", "alt", "meta", "super", "hyper"}
_NAMED = {key.value for key in Keys} | {f"f{n}" for n in range(1, 25)}
_LONG = {"/": "slash", "\\": "backslash", "@": "at", "-": "minus", "+": "plus", "_": "underscore"}
_SHORT = {long: short for short, long in _LONG.items()}
_MODIFIER_NAMES = {each: each for each in _MODIFIERS}
_MODIFIER_NAMES |= {"control": "ctrl", "ctl": "ctrl", "c": "ctrl", "option": "alt", "opt": "alt", "m": "alt", "a": "alt"}
_MODIFIER_NAMES |= {"command": "super", "cmd": "super", "win": "super", "s": "shift"}
_MODIFIER = re.compile(rf"({'|'.join(sorted(_MODIFIER_NAMES, key=len, reverse=True))})\s*[+-]\s*(?=.)", re.IGNORECASE)
"""A modifier before a key."""
_KEY_NAMES = {name.replace("_", ""): name for name in _NAMED if "+" not in name}
_KEY_NAMES |= dict.fromkeys(("esc",), "escape") | dict.fromkeys(("return", "cr", "ret"), "enter")
_KEY_NAMES |= dict.fromkeys(("pgup", "prior", "pageu"), "pageup") | dict.fromkeys(("pgdn", "pgdown", "next"), "pagedown")
_KEY_NAMES |= dict.fromkeys(("del", "rubout"), "delete") | dict.fromkeys(("ins",), "insert")
_KEY_NAMES |= dict.fromkeys(("bs", "bksp", "back"), "backspace") | dict.fromkeys(("spacebar", "spc"), "space")
_KEY_NAMES |= {each + way: way for way in ("up", "down", "left", "right") for each in ("arrow", "cursor")}
_KEY_NAMES |= {way + each: way for way in ("up", "down", "left", "right") for each in ("arrow", "key")}
_KEY_NAMES |= {"backtab": "backtab", "pos1": "home"}
"""Names of keys as people write them, in lower case and without spaces → Textual's."""
_WRITABLE = sorted({*_NAMED, *_KEY_NAMES, *(f"{modifier}+…" for modifier in _MODIFIER_NAMES)})


@record
class KeyAction:
    """An action that keys are bound to."""

    scope: str
    """The screen or widget."""
    name: str
    keys: tuple[str, ...]
    """The default keys."""
    description: str
    """Its description."""

    @property
    def id(self) -> str:
        """The id of its binding."""
        return f"{self.scope}.{self.name}"


@record
class Keymap:
    """The valid part of a keymap file."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Id of a binding → its keys, separated by commas."""
    problems: tuple[str, ...] = ()
    """The errors in the file, a sentence each."""


def scope_name(owner: type) -> str:
    """Return the name of a class's table in the keymap file, such as `jobs` or `job-table`."""
    declared: str | None = owner.__dict__.get("KEYMAP_SCOPE")
    if declared is not None:
        return declared
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", owner.__name__.strip("_").removesuffix("Screen")).lower()
    # Distinguishes the queues panel from the queues screen.
    return f"{name}-panel" if ".widgets." in owner.__module__ and "-" not in name else name


def action_name(binding: Binding) -> str:
    """Return the name of a binding's action in the keymap file, such as `retry` or `priority-minus-1`."""
    action, _, arguments = binding.action.partition("(")
    words = [f"minus-{word[1:]}" if word.startswith("-") else word for word in re.findall(r"-?\w+", arguments)]
    return "-".join([action.rpartition(".")[2], *words]).replace("_", "-")


def actions(app: type[DOMNode]) -> list[KeyAction]:
    """Return every action of every screen, in order of declaration. Imports all screens and gives all bindings their ids.

    Args:
        app: the app's class, whose bindings work on every screen.
    """
    found: dict[str, KeyAction] = {}
    owners = _owners(app)
    for owner in owners:
        for binding in name_bindings(owner):
            action = KeyAction(
                scope_name(owner), action_name(binding), tuple(binding.key.split(",")), binding.tooltip or binding.description
            )
            if action.id in found:  # declared twice, for keys that the help lists separately
                first = found[action.id]
                action = dataclasses.replace(first, keys=(*first.keys, *action.keys))
            found[action.id] = action
    for owner in owners:
        owner._merged_bindings = owner._merge_bindings()  # again, with the ids
    return [*found.values()]


def name_bindings(owner: type[DOMNode]) -> list[Binding]:
    """Give an id to every binding that a class declares, and return the bindings."""
    bindings = [
        dataclasses.replace(each, id=f"{scope_name(owner)}.{action_name(each)}")
        if isinstance(each, Binding) and not each.id
        else each
        for each in owner.__dict__.get("BINDINGS", ())
    ]
    owner.BINDINGS = bindings
    return [each for each in bindings if isinstance(each, Binding)]


def _owners(app: type[DOMNode]) -> list[type[DOMNode]]:
    """Return the classes that declare bindings: the app, then the screens, then their widgets."""
    for folder in ("screens", "widgets"):
        package = import_module(f"{_PACKAGE}.{folder}")
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    owners = [each for each in _subclasses(DOMNode) if each.__module__.startswith(_PACKAGE) and each.__dict__.get("BINDINGS")]
    declared = {owner.__dict__["KEYMAP_SCOPE"] for owner in owners if "KEYMAP_SCOPE" in owner.__dict__}
    ranks = {"app": 0, "screens": 1, "widgets": 2}

    def order(owner: type) -> tuple[int, bool, str, str]:
        part = owner.__module__.removeprefix(f"{_PACKAGE}.").partition(".")[0]
        # The class name orders classes of one scope; otherwise the order in which they were loaded would.
        return ranks.get(part, 3), scope_name(owner) not in declared, scope_name(owner), owner.__name__

    return sorted({*owners, app}, key=order)


def _subclasses(owner: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for each in owner.__subclasses__():
        yield each
        yield from _subclasses(each)


def read_keymap(file: Path | None, app: type[DOMNode]) -> Keymap:
    """Read the user's keymap file; a missing file means the default keys.

    Args:
        file: the keymap file; `None` if the user has no config folder.
        app: the app's class; see `actions`.
    """
    if file is None:
        return Keymap()
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        return Keymap()
    except (OSError, UnicodeDecodeError) as error:
        return Keymap(problems=(f"{file} cannot be read; using the default keys: {error}.",))
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Keymap(problems=(f"{FILE} is not valid TOML; using the default keys: {error}.",))
    return parse_keymap(document, actions(app))


def parse_keymap(document: Mapping[str, Any], known: Sequence[KeyAction]) -> Keymap:
    """Return the keymap that a parsed keymap file describes.

    Args:
        document: the parsed file.
        known: the existing actions.
    """
    keys: dict[str, str] = {}
    problems: list[str] = []
    scopes = {action.scope for action in known}
    names = {action.name for action in known}
    flat = [("", name, value) for name, value in document.items() if not isinstance(value, dict)]
    for scope, table in document.items():
        if isinstance(table, dict):
            if scope not in scopes:
                problems.append(f"{FILE}: unknown screen [{scope}]{_suggestion(scope, scopes)}.")
            else:
                flat += [(scope, name, value) for name, value in table.items()]
    for scope, name, value in flat:
        where = f"[{scope}] {name}" if scope else name
        matching = [action for action in known if action.name == name and scope in ("", action.scope)]
        if not matching:
            choice = {action.name for action in known if action.scope == scope} if scope else names
            problems.append(f"{FILE}: unknown action {where}{_suggestion(name, choice)}; list them with `jobdeck keys`.")
            continue
        bound, problem = _read_keys(value)
        if problem:
            problems.append(f"{FILE}: {where} {problem}.")
        else:
            keys |= {action.id: bound for action in matching}
    return Keymap(keys, (*problems, *_clashes(keys, known)))


def _read_keys(value: object) -> tuple[str, str]:
    """Return the keys that a value names, separated by commas, and the error in it if any."""
    parts = [value] if isinstance(value, str) and len(value) == 1 else value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        return "", "must be a key, or a list of keys"
    keys = []
    for part in parts:
        key = key_of(part)
        if key is None:
            return "", f"names an unknown key: {part.strip()!r}{_suggestion(part.strip().lower(), _WRITABLE)}"
        keys.append(long_name(key))
    return ",".join(keys), ""


def key_of(text: str) -> str | None:
    """Return Textual's name of a key as a person or another program writes it; `None` if there is no such key.

    `Ctrl+X`, `ctrl-x`, `C-x`, `^X` and `<C-x>` are one key, and so are `esc` and `Escape`, `PgDn` and `page down`.
    """
    if len(text) == 1:
        return text if text.isprintable() else None
    text = text.strip()
    if text.startswith("<") and text.endswith(">") and len(text) > 2:
        text = text[1:-1]
    if text.startswith("^") and len(text) == 2:
        text = f"ctrl+{text[1]}"
    modifiers = []
    while found := _MODIFIER.match(text):
        modifiers.append(_MODIFIER_NAMES[found[1].lower()])
        text = text[found.end() :]
    last = text if len(text) == 1 else _KEY_NAMES.get(re.sub("[ _-]", "", text.lower()), text.lower())
    if modifiers == ["shift"] and len(last) == 1 and last.isalpha():
        modifiers, last = [], last.upper()
    elif modifiers and len(last) == 1:
        last = long_name(last.lower())  # a terminal tells no difference
    if last == "backtab":
        modifiers, last = [*modifiers, "shift"], "tab"
    key = "+".join([*dict.fromkeys(modifiers), last])
    return key if _is_key(key) else None


def _is_key(key: str) -> bool:
    if len(key) == 1:
        return key.isprintable()
    *modifiers, last = key.split("+")
    return (
        {*modifiers} <= _MODIFIERS and bool(last) and (last in _NAMED or last in _SHORT or key_to_character(last) is not None)
    )


def long_name(key: str) -> str:
    """Return Textual's name of a key: `question_mark` for `?`."""
    if len(key) != 1 or key.isalnum():
        return key
    return _LONG.get(key) or unicodedata.name(key, key).lower().replace("-", "_").replace(" ", "_")


def short_name(key: str) -> str:
    """Return a key as written in the file: `?` for `question_mark`."""
    character = _SHORT.get(key) or key_to_character(key)
    return character if character is not None and character.isprintable() and character != " " else key


def _clashes(keys: Mapping[str, str], known: Sequence[KeyAction]) -> Iterator[str]:
    """Yield a sentence for every key that two actions of one table would share."""
    changed = {key: id for id, bound in keys.items() for key in bound.split(",")}
    for action in known:
        taken = [key for key in (long_name(each) for each in action.keys) if action.id not in keys and key in changed]
        for key in taken:
            other = changed[key]
            if other.partition(".")[0] == action.scope:
                yield f"{FILE}: {short_name(key)} was bound to {action.id}; it is now bound to {other} only."


def _suggestion(name: str, choice: Iterable[str]) -> str:
    similar = get_close_matches(name, [*choice], n=1)
    return f" (did you mean {similar[0]}?)" if similar else ""


def with_user_keys(keymap: Mapping[str, str], binding: Binding) -> Binding:
    """Return the binding with the user's keys, if they changed it."""
    bound = keymap.get(binding.id or "")
    return dataclasses.replace(binding, key=bound, key_display=None) if bound else binding
