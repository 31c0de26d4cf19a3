"""The keys, and the file in which a person changes them: `keys.toml` in the config folder.

Every binding gets an id made from where it is declared and what it does (`jobs.retry`), so that no screen has to give one.
The file maps actions to keys; above the first table for every screen, in a table for one:

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
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys, key_to_character

FILE = "keys.toml"
_PACKAGE = __package__ or "jobdeck_tui"
_MODIFIERS = {"ctrl", "shift", "alt", "meta", "super", "hyper"}
_NAMED = {key.value for key in Keys} | {f"f{n}" for n in range(1, 25)}
_LONG = {"/": "slash", "\\": "backslash", "@": "at", "-": "minus", "+": "plus", "_": "underscore"}
_SHORT = {long: short for short, long in _LONG.items()}
_SCOPES = {"Cockpit": "everywhere", "DeckScreen": "every-screen", "RoomScreen": "rooms", "JobActs": "job"}


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a key does."""

    scope: str
    """The screen or the part of it."""
    name: str
    keys: tuple[str, ...]
    """Those that it has without a file."""
    told: str
    """What it does."""

    @property
    def id(self) -> str:
        """What its binding is called."""
        return f"{self.scope}.{self.name}"


@dataclass(frozen=True, slots=True)
class Keymap:
    """What the file says, as far as it can be used."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Id of a binding → its keys, with commas between."""
    problems: tuple[str, ...] = ()
    """What cannot be used of it, each in one sentence."""


def scope_of(owner: type) -> str:
    """Where the bindings of a class work, as the file calls it: `jobs`, `job-table`."""
    if owner.__name__ in _SCOPES:
        return _SCOPES[owner.__name__]
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", owner.__name__.strip("_").removesuffix("Screen")).lower()
    # The panel of queues is not the screen of queues.
    return f"{name}-panel" if ".widgets." in owner.__module__ and "-" not in name else name


def name_of(binding: Binding) -> str:
    """The action of a binding, as the file calls it: `retry`, `priority-1`, `priority-minus-1`."""
    action, _, arguments = binding.action.partition("(")
    words = [f"minus-{word[1:]}" if word.startswith("-") else word for word in re.findall(r"-?\w+", arguments)]
    return "-".join([action.rpartition(".")[2], *words]).replace("_", "-")


def actions() -> list[Action]:
    """Every action of every screen, in the order in which they are declared. Names all bindings, and so loads all screens."""
    found: dict[str, Action] = {}
    for owner in _owners():
        for binding in name_bindings(owner):
            action = Action(
                scope_of(owner), name_of(binding), tuple(binding.key.split(",")), binding.tooltip or binding.description
            )
            if action.id in found:  # declared twice, for keys that are told apart in the help
                first = found[action.id]
                action = dataclasses.replace(first, keys=(*first.keys, *action.keys))
            found[action.id] = action
    for owner in _owners():
        owner._merged_bindings = owner._merge_bindings()  # once more, with the names
    return [*found.values()]


def name_bindings(owner: type[DOMNode]) -> list[Binding]:
    """Give every binding that a class declares its id."""
    named = [
        dataclasses.replace(each, id=f"{scope_of(owner)}.{name_of(each)}")
        if isinstance(each, Binding) and not each.id
        else each
        for each in owner.__dict__.get("BINDINGS", ())
    ]
    owner.BINDINGS = named
    return [each for each in named if isinstance(each, Binding)]


def _owners() -> list[type[DOMNode]]:
    """The classes of the cockpit that declare keys: the app, then screens, then their parts."""
    from .app import Cockpit

    for folder in ("screens", "widgets"):
        package = import_module(f"{_PACKAGE}.{folder}")
        for module in iter_modules(package.__path__):
            import_module(f"{_PACKAGE}.{folder}.{module.name}")
    owners = [each for each in _below(DOMNode) if each.__module__.startswith(_PACKAGE) and each.__dict__.get("BINDINGS")]
    places = {"app": 0, "screens": 1, "widgets": 2}

    def order(owner: type) -> tuple[int, bool, str, str]:
        room = owner.__module__.removeprefix(f"{_PACKAGE}.").partition(".")[0]
        # The name decides between two of one scope: otherwise it would be whichever was loaded first.
        return places.get(room, 3), scope_of(owner) not in _SCOPES.values(), scope_of(owner), owner.__name__

    return sorted({*owners, Cockpit}, key=order)


def _below(owner: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for each in owner.__subclasses__():
        yield each
        yield from _below(each)


def read_keymap(file: Path) -> Keymap:
    """What a person has written; nothing where there is no file."""
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return Keymap()
    except (OSError, UnicodeDecodeError) as error:
        return Keymap(problems=(f"{file} cannot be read, and every key is as it was: {error}.",))
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Keymap(problems=(f"{FILE} is not valid TOML, and every key is as it was: {error}.",))
    return keymap_of(document, actions())


def keymap_of(document: Mapping[str, Any], known: Sequence[Action]) -> Keymap:
    """The keymap that a document of tables and values means."""
    keys: dict[str, str] = {}
    problems: list[str] = []
    scopes = {action.scope for action in known}
    names = {action.name for action in known}
    flat = [("", name, value) for name, value in document.items() if not isinstance(value, dict)]
    for scope, table in document.items():
        if isinstance(table, dict):
            if scope not in scopes:
                problems.append(f"{FILE}: there is no screen [{scope}]{_perhaps(scope, scopes)}.")
            else:
                flat += [(scope, name, value) for name, value in table.items()]
    for scope, name, value in flat:
        where = f"[{scope}] {name}" if scope else name
        meant = [action for action in known if action.name == name and scope in ("", action.scope)]
        if not meant:
            choice = {action.name for action in known if action.scope == scope} if scope else names
            problems.append(f"{FILE}: there is no action {where}{_perhaps(name, choice)}; `jobdeck keys` lists them.")
            continue
        said, problem = _keys(value)
        if problem:
            problems.append(f"{FILE}: {where} {problem}.")
        else:
            keys |= {action.id: said for action in meant}
    return Keymap(keys, (*problems, *_clashes(keys, known)))


def _keys(value: object) -> tuple[str, str]:
    """The keys that a value names, and what is wrong with it."""
    parts = [value] if isinstance(value, str) and len(value) == 1 else value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        return "", "must be a key, or a list of keys"
    keys = [part.strip() if len(part) > 1 else part for part in parts]
    for key in keys:
        if not _is_key(key):
            return "", f"names a key that there is not: {key!r}"
    return ",".join(long_name(key) for key in keys), ""


def _is_key(key: str) -> bool:
    if len(key) == 1:
        return key.isprintable()
    *modifiers, last = key.split("+")
    return (
        {*modifiers} <= _MODIFIERS and bool(last) and (last in _NAMED or last in _SHORT or key_to_character(last) is not None)
    )


def long_name(key: str) -> str:
    """A key as Textual calls it: `?` is `question_mark`, and a comma can stand in a list."""
    if len(key) != 1 or key.isalnum():
        return key
    return _LONG.get(key) or unicodedata.name(key, key).lower().replace("-", "_").replace(" ", "_")


def short_name(key: str) -> str:
    """A key as it is typed in the file: `question_mark` is `?`."""
    character = _SHORT.get(key) or key_to_character(key)
    return character if character is not None and character.isprintable() and character != " " else key


def _clashes(keys: Mapping[str, str], known: Sequence[Action]) -> Iterator[str]:
    """Actions of one place that a key would have to do both."""
    changed = {key: id for id, said in keys.items() for key in said.split(",")}
    for action in known:
        kept = [key for key in (long_name(each) for each in action.keys) if action.id not in keys and key in changed]
        for key in kept:
            other = changed[key]
            if other.partition(".")[0] == action.scope:
                yield f"{FILE}: {short_name(key)} is {action.id} already; it is {other} now, and {action.name} lost that key."


def _perhaps(name: str, choice: Iterable[str]) -> str:
    near = get_close_matches(name, [*choice], n=1)
    return f" (perhaps {near[0]})" if near else ""


def keys_in_use(keymap: Mapping[str, str], binding: Binding) -> Binding:
    """The binding with the keys that a person has given it."""
    said = keymap.get(binding.id or "")
    return dataclasses.replace(binding, key=said, key_display=None) if said else binding
