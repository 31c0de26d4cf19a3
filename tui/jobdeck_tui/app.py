"""The cockpit: it joins the feed to the screens, and holds what all screens share."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import ModalScreen, Screen

from jobdeck import SWITCH_INTERVAL, Job, JobdeckError, Kind, Queue, Settings, command_line

from .feed import Feed, Post
from .format import span
from .messages import Acted, Answered, Checked, DetailSnapshot, Drained, Explained, Replaced, Seen, Snapshot, Trouble
from .plight import Watch
from .remembered import Remembered, config_folder
from .rooms import BY_NAME, JOBS, ROOMS
from .screens.base import DeckScreen
from .screens.confirm import ConfirmScreen
from .screens.job import JobScreen
from .screens.jobs import JobsScreen
from .screens.leave import LeaveScreen
from .screens.new_job import NewJob, NewJobScreen
from .screens.room import RoomScreen
from .screens.why import WhyScreen
from .strainer import Strainer
from .text import safe
from .theme import DARK, FALLBACKS, LIGHT
from .widgets.hints import keys_of

#: Keys that would do nothing useful, or nothing at all, from the palette.
_NO_COMMANDS = frozenset({"app.command_palette", "app.focus_next", "app.focus_previous", "screen.copy_text"})

HANG_UP_GRACE = 5.0
"""Seconds after the terminal was closed until the process ends in any case."""

MakeFeed = Callable[[Post], Feed]


class _Nowhere:
    """Takes the place of the thread that writes to a terminal which is gone."""

    def write(self, text: str) -> None:
        """Nobody reads it."""

    def flush(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to end."""


class Cockpit(App[int]):
    """The app. Its return value is the exit code."""

    CSS_PATH = "deck.tcss"
    TITLE = "jobdeck"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "leave", "quit", show=False, priority=True),
        Binding(
            "ctrl+n",
            "renew",
            "make a new database",
            show=False,
            tooltip="Where the database was deleted or moved away: make a new and empty one",
        ),
    ]

    def __init__(
        self,
        make_feed: MakeFeed,
        *,
        where: str,
        grace: float = 25.0,
        readonly: bool = False,
        look_back: float = 600.0,
        remembered: Remembered | None = None,
        by_default: bool = False,
    ) -> None:
        """Make the app; `run` opens it.

        Args:
            make_feed: makes the feed that reads the queue; given where it posts its messages.
            where: the queue's name as people know it: its path.
            grace: seconds running jobs get when the cockpit is left by draining.
            readonly: refuse every act.
            look_back: seconds that the charts show at first.
            remembered: what earlier sessions have left; without it nothing outlives this one.
            by_default: whether commands find this queue without being told where it is.
        """
        super().__init__()
        self._strainer = Strainer()
        self.remembered = remembered or Remembered()
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        self.feed = make_feed(self.post_message)
        self.kinds: Sequence[Kind] = self.feed.kinds()
        self.readonly = readonly
        self.grace = grace
        self.where = where
        self.by_default = by_default
        self._look_back = look_back
        self._leaving = False
        self._watch = Watch()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(FALLBACKS)

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._strainer]

    def get_default_screen(self) -> Screen[None]:
        return JobsScreen(self.where, look_back=self._look_back)

    def on_mount(self) -> None:
        """Watch over the database; end well when asked to from outside."""
        self.set_interval(1.0, self._look_after)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not on this platform or thread
            loop.add_signal_handler(signal.SIGTERM, self._terminate)
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    # -- from the feed ----------------------------------------------------------------------------

    @property
    def jobs_screen(self) -> JobsScreen:
        """The screen at the root."""
        root = self.screen_stack[0]
        assert isinstance(root, JobsScreen)
        return root

    @property
    def room(self) -> RoomScreen | None:
        """The screen beside the jobs that is open, be it behind a job or a dialog."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, RoomScreen)), None)

    @property
    def _ended(self) -> bool:
        """Whether the screens are gone: the feed's last words may come after them."""
        return not self.screen_stack

    def on_snapshot(self, message: Snapshot) -> None:
        """Show the newest look at the queue."""
        if self._ended:
            return
        self._watch.news()
        self.jobs_screen.show(message.deck)
        if (room := self.room) is not None:
            room.see_deck(message.deck)
        if isinstance(self.screen, LeaveScreen):
            self.screen.show(message.deck)

    def on_seen(self, message: Seen) -> None:
        """Show what the open screen has looked at."""
        if not self._ended and (room := self.room) is not None:
            room.see(message.look, message.value)

    def on_answered(self, message: Answered) -> None:
        """Give the answer to whoever asked."""
        if not self._ended:
            message.answer(message.value)

    def on_detail_snapshot(self, message: DetailSnapshot) -> None:
        """Show the newest look at the opened job."""
        for screen in self.screen_stack:
            if isinstance(screen, JobScreen) and screen.job_id == message.detail.job_id:
                screen.show(message.detail)

    def on_acted(self, message: Acted) -> None:
        """Say what came of an act."""
        if self._ended:
            return
        self.tell(message.text, failed=message.failed)
        if message.job_id is not None:
            self.jobs_screen.table.expect(message.job_id)

    def on_checked(self, message: Checked) -> None:
        """Tell the form what is wrong with the draft."""
        if not self._ended and isinstance(self.screen, NewJobScreen):
            self.screen.checked(message)

    def on_explained(self, message: Explained) -> None:
        """Show why the job does not run."""
        if not self._ended and isinstance(self.screen, WhyScreen) and self.screen.job_id == message.job_id:
            self.screen.show(message.explanation)

    def on_trouble(self, message: Trouble) -> None:
        """Say that the database cannot be read, or can again."""
        if self._ended:
            return
        self._watch.trouble(message.text, lost=message.lost)
        self._tell_plight()
        self.refresh_bindings()
        if message.lost:
            self.notify(
                safe(f"{(message.text or '')[:1].upper()}{(message.text or '')[1:]}. What runs goes on, nothing new starts,"
                " and the cockpit waits until it is back. ctrl+n makes a new and empty one."),
                severity="warning",
                timeout=10,
                markup=False,
            )  # fmt: skip

    def on_replaced(self, message: Replaced) -> None:
        """Another database is there: what the person had in the hand was of the one before."""
        if self._ended:
            return
        if isinstance(self.screen, ConfirmScreen):
            self.screen.dismiss(False)
        self.jobs_screen.table.doubt()

    def _look_after(self) -> None:
        """Each second: say what is wrong, and come back clean after the whole process was held up."""
        if self._ended:
            return
        if self._watch.beat():
            self.feed.refresh()
            self.screen.refresh(layout=True)  # something else may have been drawn over it
        self._tell_plight()

    def _tell_plight(self) -> None:
        plight = self._watch.plight(locked_since=self.feed.waiting_since, held_up=self.feed.held_up)
        for screen in self.screen_stack:
            if isinstance(screen, DeckScreen):
                screen.tell_plight(plight)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A new database is made only where there is none."""
        return self._watch.lost if action == "renew" else super().check_action(action, parameters)

    def action_renew(self) -> None:
        """Make a new and empty database in place of the one that is gone."""
        if not self.refuse_readonly():
            self.feed.renew()

    # -- for the screens --------------------------------------------------------------------------

    def tell(self, text: str, *, failed: bool = False) -> None:
        """Show a toast. The text may come from anywhere."""
        self.notify(safe(text), severity="warning" if failed else "information", timeout=6 if failed else 3, markup=False)

    def refuse_readonly(self) -> bool:
        """Whether acts are refused; says so."""
        if self.readonly:
            self.tell("This cockpit was opened with --readonly: it only looks", failed=True)
        return self.readonly

    def action_room(self, name: str, part: str = "") -> None:
        """Open a screen by its name; it is as it was left. The jobs are always behind it."""
        while len(self.screen_stack) > 1 and not isinstance(self.screen, RoomScreen):
            self.pop_screen()
        if name == JOBS:
            if isinstance(self.screen, RoomScreen):
                self.pop_screen()
            return
        if not self.is_screen_installed(name):
            self.install_screen(BY_NAME[name].build(), name)
        opened = self.get_screen(name)
        assert isinstance(opened, RoomScreen)
        if self.room is not opened:
            if self.room is not None:
                self.switch_screen(opened)
            else:
                self.push_screen(opened)
            if self.jobs_screen.deck is not None:
                self.call_later(opened.see_deck, self.jobs_screen.deck)
        if part:
            self.call_later(opened.focus_part, part)

    def show_jobs(self, filter: str) -> None:
        """Show the jobs that match a filter, on the main screen."""
        self.action_room(JOBS)
        self.jobs_screen.narrow(filter)

    def open_job(self, job_id: int) -> None:
        """Open a job."""
        self.feed.open_job(job_id)
        self.push_screen(JobScreen(job_id))

    def close_job(self) -> None:
        """Back from the job."""
        self.feed.open_job(None)
        self.pop_screen()

    def explain_job(self, job_id: int) -> None:
        """Say why a job does not run."""
        self.push_screen(WhyScreen(job_id, self.feed.explain))

    def new_job(self, like: Job | None = None) -> None:
        """Open the form of a new job."""
        if like is not None and like.kind not in {kind.name for kind in self.kinds}:
            self.tell(f"{like.kind} is not known here; --app or JOBDECK_APP names the module that defines it", failed=True)
            return

        def answered(made: NewJob | None) -> None:
            if made is not None:
                self.feed.enqueue(*made)

        self.push_screen(NewJobScreen(self.kinds, like), answered)

    def copy(self, text: str, what: str) -> None:
        """Put text on the clipboard, through the terminal (OSC 52)."""
        self.copy_to_clipboard(text)
        self.tell(f"Copied {what}")

    def copy_command(self, job: Job) -> None:
        """Copy the command line that enqueues a job again."""
        self.copy(command_of(job), "the command that enqueues it again")

    # -- leaving ----------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Quit; with running jobs, ask how. Asked again while it drains, release. A dialog is left first."""
        if isinstance(self.screen, LeaveScreen):
            self.screen.action_release()
        elif isinstance(self.screen, ModalScreen):
            self.screen.dismiss(None)
        elif running := self.feed.running_here:
            self.push_screen(LeaveScreen(running, self.grace))
        elif not self._leaving:
            self._end(0.0)

    def _terminate(self) -> None:
        """Asked to end from outside: drain, for all to see; asked again, release at once."""
        if self._leaving:
            self._end(0.0)
            return
        leave = LeaveScreen(self.feed.running_here, self.grace, draining=True)
        self.push_screen(leave)

    def action_command_palette(self) -> None:
        """Find a command; not while a dialog waits for its answer."""
        if not isinstance(self.screen, ModalScreen):
            super().action_command_palette()

    def on_leave_screen_asked(self, message: LeaveScreen.Asked) -> None:
        """Drain or release."""
        self._end(message.grace)

    def _end(self, grace: float) -> None:
        self._leaving = True
        self.feed.drain(grace)

    def _hang_up(self) -> None:
        """The terminal is gone, and nobody can see a count-down: release what runs, and end."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        # Textual's writing thread has died of the lost terminal, and what is still drawn would wait for it for ever.
        # If a later Textual names it differently, the last resort below remains.
        if hasattr(self._driver, "_writer_thread"):
            setattr(self._driver, "_writer_thread", _Nowhere())  # noqa: B010  (Textual's own, and so not typed)
        last_resort = threading.Timer(HANG_UP_GRACE, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        self._end(0.0)

    def on_drained(self, message: Drained) -> None:
        """The worker threads have ended: so does the program."""
        self.exit(0)

    # -- the command palette ----------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every key with a description is a command too."""
        seen: set[str] = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if not binding.description or binding.system or binding.action in seen or binding.action in _NO_COMMANDS:
                continue
            seen.add(binding.action)
            title = binding.description[:1].upper() + binding.description[1:]
            yield SystemCommand(title, f"{keys_of(binding)}  {binding.tooltip}", _runner(self, binding.action, active.node))
        for room in ROOMS:
            yield SystemCommand(f"Go to {room.name}", f"{room.digit}  {room.told}", _goer(self, room.name))
        yield SystemCommand("Go to jobs", "5  All jobs: the main screen", _goer(self, JOBS))
        for theme in (DARK, LIGHT):
            if self.theme != theme.name:
                ground = "dark" if theme.dark else "light"
                yield SystemCommand(f"Theme: {ground}", f"Use the {ground} theme", _setter(self, theme.name))


def _runner(app: Cockpit, action: str, node: object) -> Callable[[], None]:
    def run() -> None:
        app.call_later(app.run_action, action, node)

    return run


def _goer(app: Cockpit, name: str) -> Callable[[], None]:
    def go() -> None:
        app.call_later(app.action_room, name)

    return go


def _setter(app: Cockpit, theme: str) -> Callable[[], None]:
    def use() -> None:
        app.theme = theme

    return use


def command_of(job: Job) -> str:
    """The command line that enqueues a job again."""
    options = [] if job.queue == "default" else ["--queue", job.queue]
    if job.priority:
        options += ["--priority", str(job.priority)]
    options += ["--max-attempts", str(job.max_attempts)]
    if job.timeout:
        options += ["--timeout", span(job.timeout)]
    for tag in job.tags:
        options += ["--tag", tag]
    if job.unique_key is not None:
        options += ["--unique", job.unique_key]
    if job.backoff is not None:
        options += ["--backoff", ",".join(map(span, job.backoff))]
    try:
        args = job.args
    except JobdeckError:  # unreadable arguments: the text as it is
        args = {}
    command = args.get("command")
    if job.kind != "shell" or not isinstance(command, list):
        return shlex.join(["jobdeck", "enqueue", job.kind, *options, "--args", job.args_json])
    if args.get("cwd"):
        options += ["--cwd", args["cwd"]]
    for name, value in (args.get("env") or {}).items():
        options += ["--env", f"{name}={value}"]
    if args.get("shell") is True:
        return shlex.join(["jobdeck", "run", *options, "--shell", "--", " ".join(command)])
    return f"{shlex.join(['jobdeck', 'run', *options])} -- {command_line(command)}"


def run_cockpit(settings: Settings, *, threads: int | None = None, readonly: bool = False, demo: bool = False) -> int:
    """Open the cockpit on the queue of the settings, or on the demo's own; returns the exit code.

    Raises:
        StoreRefused: the database cannot be used.
    """
    # Keys stay quick beside handlers that compute: the interpreter's lock changes hands every half millisecond.
    sys.setswitchinterval(SWITCH_INTERVAL)
    count = settings.threads if threads is None else threads
    if readonly:
        count = 0
    if demo:
        return _run_demo(settings, count if threads is not None else 8)
    with Queue(settings=settings) as queue:
        return _run(queue, settings, where=_home(queue.where), threads=count, readonly=readonly)


def _run_demo(settings: Settings, threads: int) -> int:
    from .lab.workload import Workload, demo_queue

    with demo_queue(settings) as queue:
        workload = Workload(queue)
        workload.start()
        try:
            return _run(queue, settings, where="demo", threads=threads, look_back=120.0)
        finally:
            workload.stop()


def _run(
    queue: Queue, settings: Settings, *, where: str, threads: int, readonly: bool = False, look_back: float = 600.0
) -> int:
    root = logging.getLogger()
    root.setLevel(settings.log_level)
    if not root.handlers:
        root.addHandler(logging.NullHandler())  # nothing may print over the screen

    def make_feed(post: Post) -> Feed:
        return Feed(queue, post, threads=threads, readonly=readonly)

    app = Cockpit(
        make_feed,
        where=where,
        grace=settings.shutdown_grace,
        readonly=readonly,
        look_back=look_back,
        remembered=Remembered(config_folder() / "cockpit.json"),
        by_default=settings.database == Settings().database,
    )
    try:
        code = app.run()
    finally:
        app.feed.end()
    return app.return_code or code or 0


def _home(path: str) -> str:
    from pathlib import Path

    home = str(Path.home())
    return "~" + path[len(home) :] if path.startswith(home + "/") else path
