"""The part of the app that screens and widgets may use: its theme and character set, and what `app.Cockpit` implements.

Theme and character set come from, in order of precedence: the command line, the environment (`JOBDECK_THEME`,
`JOBDECK_ASCII`, `NO_COLOR`), the preferences of earlier sessions, and the terminal's capabilities.
"""

from __future__ import annotations

import locale
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from textual.app import App, SystemCommand
from textual.dom import DOMNode
from textual.filter import LineFilter, Monochrome, NoColor
from textual.notifications import Notify

from jobdeck import Job, Kind, Overview, Schedule

from .feed.feed import Feed
from .feed.job_actions import JobAction
from .preferences import Preferences
from .terminal.color_depth import ColorDepth
from .terminal.line_filters import AsciiFilter, MonochromeFilter
from .text.ascii import to_ascii
from .text.sanitize import safe
from .theme import FALLBACKS, MONO, SCHEMES

if TYPE_CHECKING:
    from .demo.demo import Demo

_P = ParamSpec("_P")
_Node = TypeVar("_Node", bound=DOMNode)
DEFAULT = "dark"
MOST_TOASTS = 3
"""The maximum number of toasts shown at once: more would cover a dialog."""
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class ThemedApp(App[int]):
    """An app with a theme and a character set that the user can change; the cockpit and the guide are such apps."""

    preferences: Preferences
    keymap: Mapping[str, str]
    """The user's keys, by id of the binding."""

    def __init__(
        self, *, remembered: Preferences | None = None, scheme: str | None = None, ascii_only: bool | None = None
    ) -> None:
        """Set the theme and the character set.

        Args:
            remembered: the preferences of earlier sessions; without them, changes last for this session only.
            scheme: a name of `SCHEMES`; the one of the last session if `None`.
            ascii_only: draw in ASCII only; as in the last session if `None`.
        """
        super().__init__()
        self.preferences = remembered or Preferences()
        self.keymap = {}
        self.colorless = bool(os.environ.get("NO_COLOR"))
        # Textual's own monochrome mode turns colors into grays; here no color is sent at all.
        self.no_color = False
        self.color_depth = ColorDepth.TRUE
        """The colors that are drawn with; see `use_terminal_colors`."""
        for known in SCHEMES.values():
            self.register_theme(known.full.theme)
            self.register_theme(known.sixteen.theme)
        self.register_theme(MONO)
        chosen = scheme or self.preferences.get("theme", DEFAULT)
        self.scheme = chosen if chosen in SCHEMES else DEFAULT
        """The name of the chosen theme."""
        self.ascii_only = self.preferences.get("ascii", False) if ascii_only is None else ascii_only
        self._ascii, self._uncolored = AsciiFilter(), MonochromeFilter()
        self.theme = MONO.name if self.colorless else SCHEMES[self.scheme].theme.name

    def use_terminal_colors(self) -> None:
        """Draw with the colors that the terminal has, by its environment. Without it: with all, as in a picture."""
        self.color_depth = ColorDepth(self.console.color_system or ColorDepth.TRUE.value)
        self._show_scheme()

    def _show_scheme(self) -> None:
        if not self.colorless:
            self.theme = SCHEMES[self.scheme].look_in(self.color_depth).theme.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(FALLBACKS)

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = [each for each in super().get_line_filters() if not isinstance(each, (Monochrome, NoColor))]
        if self.colorless:
            filters.append(self._uncolored)
        else:
            looks = (each.look_in(self.color_depth) for each in SCHEMES.values())
            filters += next((look.filters for look in looks if look.theme.name == self.theme), ())
        return [*filters, self._ascii] if self.ascii_only else filters

    def to_terminal_text(self, text: str) -> str:
        """Return text in characters that this terminal can display."""
        return to_ascii(text) if self.ascii_only else text

    def notify_user(self, text: str, *, failed: bool = False) -> None:
        """Show a toast.

        Args:
            text: the sentence; may contain untrusted text.
            failed: show it as a warning, and longer.
        """
        shown = self.to_terminal_text(safe(text))
        self.notify(shown, severity="warning" if failed else "information", timeout=6 if failed else 3, markup=False)

    def on_notify(self, event: Notify) -> None:
        """Drop the toasts that the new one repeats, and the oldest beyond `MOST_TOASTS`, before Textual adds it."""
        shown = [*self._notifications]
        repeated = [each for each in shown if each.message == event.notification.message]
        others = [each for each in shown if each not in repeated]
        for each in (*repeated, *others[: max(0, len(others) - MOST_TOASTS + 1)]):
            self._unnotify(each, refresh=False)

    def apply_theme(self, scheme: str) -> None:
        """Switch to another theme and remember it."""
        if self.colorless:
            self.notify_user("NO_COLOR is set; unset it to choose a theme", failed=True)
            return
        self.scheme = scheme
        self._show_scheme()
        self.preferences.put("theme", scheme)

    def action_next_theme(self) -> None:
        """Switch to the next theme."""
        names = [*SCHEMES]
        self.apply_theme(names[(names.index(self.scheme) + 1) % len(names)])
        if not self.colorless:
            self.notify_user(
                f"Theme {self.scheme}: {SCHEMES[self.scheme].description[:1].lower()}{SCHEMES[self.scheme].description[1:]}"
            )

    def action_toggle_ascii(self) -> None:
        """Switch between ASCII and Unicode characters, and remember the choice."""
        self.ascii_only = not self.ascii_only
        self.preferences.put("ascii", self.ascii_only)
        self.refresh_css(animate=False)
        self.notify_user("Using ASCII characters only" if self.ascii_only else "Using Unicode characters")

    def theme_commands(self) -> Iterable[SystemCommand]:
        """Yield the command palette's entries for the theme and the character set."""
        if not self.colorless:
            for name, scheme in SCHEMES.items():
                if name != self.scheme:
                    yield SystemCommand(f"Theme: {name}", scheme.description, self._theme_callback(name))
        title = "Use Unicode characters" if self.ascii_only else "Use ASCII only"
        yield SystemCommand(title, "For terminals and fonts without box drawing, glyphs and braille", self.action_toggle_ascii)

    def _theme_callback(self, name: str) -> Callable[[], None]:
        return lambda: self.apply_theme(name)

    # -- implemented by app.Cockpit ----------------------------------------------------------------


class CockpitBase(ThemedApp):
    """The cockpit as its screens and widgets know it: the services that `app.Cockpit` provides.

    Screens import this class and never `app`, which imports them.
    """

    feed: Feed
    """The only caller of the queue."""
    kinds: Sequence[Kind]
    """The job kinds that can be enqueued here."""
    readonly: bool
    """Whether the cockpit refuses every action that changes the queue."""
    where: str
    """The database's path or address, as shown to the user."""
    database_url: str = ""
    """The configured database, with a password if it has one: never shown. The lab plays lanes of PostgreSQL on its server."""
    by_default: bool
    """Whether `jobdeck` commands find this database without `--db`."""
    demo: Demo | None
    """The demo that the cockpit shows; `None` if the queue is a real one."""

    @property
    @abstractmethod
    def latest_overview(self) -> Overview | None:
        """The newest overview of the queue; `None` until the first one has been read."""

    @abstractmethod
    def refuse_readonly(self) -> bool:
        """Return whether changes are refused; if so, show why."""

    @abstractmethod
    def change_jobs(self, action: JobAction, ids: Sequence[int], changed: Callable[[], None] | None = None) -> None:
        """Apply an action to a few jobs; ask first if it could not be undone for some of them.

        Args:
            action: the action.
            ids: the jobs.
            changed: called when the action has been applied, and not if the user decides against it.
        """

    @abstractmethod
    def action_open_screen(self, name: str, part: str = "") -> None:
        """Open a screen of `screen_registry` by name.

        Args:
            name: the screen's name; `JOBS` for the main screen.
            part: the part of the screen to focus.
        """

    @abstractmethod
    def show_jobs(self, filter: str) -> None:
        """Show the jobs that match a filter on the main screen."""

    @abstractmethod
    def show_metrics(self, field: str, name: str, seconds: float) -> None:
        """Show the metrics of one queue or kind.

        Args:
            field: `queue` or `kind`.
            name: its name.
            seconds: the time range.
        """

    @abstractmethod
    def open_job(self, job_id: int) -> None:
        """Open the screen of a job on top of the current screen."""

    @abstractmethod
    def close_job(self) -> None:
        """Close the screen of a job and return to the one below it."""

    @abstractmethod
    def neighbor_of(self, job_id: int, by: int) -> int | None:
        """Return the id of the job `by` rows after a job in the main screen's list, and move the list's cursor to it.

        Returns:
            The id; `None`, with a toast that says why, if no such row exists.
        """

    @abstractmethod
    def explain_job(self, job_id: int) -> None:
        """Open the panel that explains why a job is not running."""

    @abstractmethod
    def new_job(self, like: Job | None = None) -> None:
        """Open the form for a new job, filled in from the job `like` if given."""

    @abstractmethod
    def new_schedule(self) -> None:
        """Open the form for a new schedule."""

    @abstractmethod
    def edit_schedule(self, schedule: Schedule) -> None:
        """Open the form of an existing schedule."""

    @abstractmethod
    def copy(self, text: str, what: str) -> None:
        """Copy text to the clipboard.

        Args:
            text: the text to copy.
            what: its description in the toast.
        """

    @abstractmethod
    def copy_command(self, job: Job) -> None:
        """Copy the command line that enqueues an equivalent job."""


def theme_from_environment(environ: Mapping[str, str]) -> str | None:
    """Return the theme named by the environment, if any.

    Raises:
        ValueError: no theme has that name.
    """
    name = environ.get("JOBDECK_THEME", "").strip().lower()
    if name and name not in SCHEMES:
        raise ValueError(f"JOBDECK_THEME is {name!r}: it must be one of {', '.join(SCHEMES)}")
    return name or None


def detect_ascii(environ: Mapping[str, str], remembered: Preferences, encoding: str | None = None) -> bool:
    """Return whether to draw in ASCII only, by the environment, the terminal's encoding and the preferences.

    Args:
        environ: the environment.
        remembered: the preferences of earlier sessions.
        encoding: the terminal's encoding; detected if `None`.

    Raises:
        ValueError: `JOBDECK_ASCII` is neither true nor false.
    """
    value = environ.get("JOBDECK_ASCII", "").strip().lower()
    if value in _TRUE:
        return True
    if value and value not in _FALSE:
        raise ValueError(f"JOBDECK_ASCII is {value!r}: it must be 1 or 0")
    if encoding is None:
        encoding = str(getattr(sys.__stdout__, "encoding", "") or locale.getpreferredencoding(False))
    if "utf" not in encoding.lower().replace("-", ""):
        return True  # in every case: other encodings would show wrong characters, perhaps control characters
    return False if value else remembered.get("ascii", False)


def uses_ascii(app: App[Any]) -> bool:
    """Return whether the app draws in ASCII only."""
    return isinstance(app, ThemedApp) and app.ascii_only


def to_terminal_text(app: App[Any], text: str) -> str:
    """Return text in characters that the app's terminal can display."""
    return app.to_terminal_text(text) if isinstance(app, ThemedApp) else text


def cockpit_of(app: App[Any]) -> CockpitBase:
    """Return the running app as the type that screens may use."""
    assert isinstance(app, CockpitBase)
    return app


def changes_queue(action: Callable[Concatenate[_Node, _P], None]) -> Callable[Concatenate[_Node, _P], None]:
    """Mark an action that changes the queue: a read-only cockpit refuses it, and neither hints nor lists its key."""

    @wraps(action)
    def guarded(node: _Node, /, *args: _P.args, **more: _P.kwargs) -> None:
        if not cockpit_of(node.app).refuse_readonly():
            action(node, *args, **more)

    setattr(guarded, _CHANGES, True)
    return guarded


_CHANGES = "changes_queue"
DEMO_ACTIONS = frozenset({"break_something", "tour"})
"""Actions that only a demo has."""


def is_refused(node: DOMNode, action: str) -> bool:
    """Return whether this cockpit does not offer the action of a binding of this node.

    It is read-only and the action would change the queue, or it is no demo and the action belongs to one.
    """
    app = node.app
    name = action.partition("(")[0]
    if not isinstance(app, CockpitBase):
        return False
    if name.removeprefix("app.") in DEMO_ACTIONS and app.demo is None:
        return True
    if not app.readonly:
        return False
    owner = app if name.startswith("app.") else node.screen if name.startswith("screen.") else node
    return hasattr(getattr(owner, f"action_{name.rpartition('.')[2]}", None), _CHANGES)
