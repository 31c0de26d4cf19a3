"""The cockpit: it joins the feed to the screens, and holds what all screens share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import ModalScreen, Screen

from jobdeck import Job, Kind, Schedule

from .again import command_of as command_of
from .appearance import Appearance
from .clipboard import system_tool
from .feed import Feed, Post
from .keymap import Keymap
from .messages import Acted, Answered, DetailSnapshot, Drained, Explained, Progressed, Replaced, Seen, Snapshot, Trouble
from .plight import Watch
from .program_log import ProgramLog
from .remembered import Remembered
from .rooms import BY_NAME, JOBS, ROOMS
from .screens.base import READONLY, DeckScreen
from .screens.confirm import ConfirmScreen
from .screens.jobs import JobsScreen
from .screens.leave import LeaveScreen
from .screens.log import LogScreen
from .screens.room import RoomScreen
from .screens.why import WhyScreen
from .strainer import Strainer
from .text import safe
from .widgets.header import Header
from .widgets.hints import keys_of

#: Keys that would do nothing useful, or nothing at all, from the palette.
_NO_COMMANDS = frozenset({"app.command_palette", "app.focus_next", "app.focus_previous", "screen.copy_text"})

HANG_UP_GRACE = 5.0
"""Seconds after the terminal was closed until the process ends in any case."""

if TYPE_CHECKING:
    from .forms.schedule_draft import ScheduleDraft

LOAD_AFTER = 1.0
"""Seconds from the start until what the first picture has no need of is loaded."""

MakeFeed = Callable[[Post], Feed]


class Cockpit(Appearance):
    """The app. Its return value is the exit code."""

    CSS_PATH = "deck.tcss"
    TITLE = "jobdeck"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "leave", "quit", show=False, priority=True, tooltip="Quit, from wherever you are"),
        Binding(
            "exclamation_mark", "program_log", "log", show=False, tooltip="What this program warned of, and what was printed"
        ),
        Binding("f1", "guide", "guide", show=False, tooltip="Read the guide: jobs, retries, filters, deployment, …"),
        Binding("ctrl+t", "next_theme", "next theme", show=False, tooltip="Change to the next theme"),
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
        scheme: str | None = None,
        ascii_only: bool | None = None,
        keymap: Keymap | None = None,
        log: ProgramLog | None = None,
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
            scheme: the theme; the remembered one when `None`.
            ascii_only: draw in ASCII only; as remembered when `None`.
            keymap: the keys that the person has changed.
            log: what the program itself has to say.
            by_default: whether commands find this queue without being told where it is.
        """
        super().__init__(remembered=remembered, scheme=scheme, ascii_only=ascii_only)
        self._strainer = Strainer()
        self.keymap = (keymap or Keymap()).keys
        self._key_problems = (keymap or Keymap()).problems
        self.feed = make_feed(self.post_message)
        self.kinds: Sequence[Kind] = self.feed.kinds()
        self.readonly = readonly
        self.grace = grace
        self.where = where
        self.by_default = by_default
        self._look_back = look_back
        self._leaving = False
        self.program_log = log or ProgramLog()
        self.failure: BaseException | None = None
        """What the cockpit has crashed of."""
        self._watch = Watch()

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._strainer]

    def get_driver_class(self) -> type[Driver]:
        """Where a terminal would be read and written by threads, the loop does it itself."""
        usual = super().get_driver_class()
        if usual.__name__ != "LinuxDriver":
            return usual
        from .terminal import PromptTerminal

        return PromptTerminal

    def get_default_screen(self) -> Screen[None]:
        return JobsScreen(self.where, look_back=self._look_back)

    def on_mount(self) -> None:
        """Take the person's keys, watch over the database; end well when asked to from outside."""
        self.set_interval(0.5, self._mark_warnings)
        self.set_keymap({**self.keymap})
        for problem in self._key_problems:
            self.tell(problem, failed=True)
        self.set_interval(1.0, self._look_after)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not on this platform or thread
            loop.add_signal_handler(signal.SIGTERM, self._terminate)
            loop.add_signal_handler(signal.SIGINT, self._terminate)  # the key is another matter: it arrives as a key
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self.set_timer(LOAD_AFTER, self._load)

    def _load(self) -> None:
        """Load beside what is shown what keys open: the first press shall not wait for that."""

        def load() -> None:
            for module in (".screens.job", ".screens.new_job"):
                import_module(module, __package__)

        threading.Thread(target=load, name="jobdeck-loading", daemon=True).start()

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
        detail = None if self._ended else message.detail
        for screen in self.screen_stack if detail is not None else ():
            if isinstance(screen, DeckScreen) and detail is not None:
                screen.see_detail(detail)

    def on_acted(self, message: Acted) -> None:
        """Say what came of an act."""
        if self._ended:
            return
        self.tell(message.text, failed=message.failed)
        if message.job_id is not None:
            self.jobs_screen.table.expect(message.job_id)

    def on_progressed(self, message: Progressed) -> None:
        """Show how far a long act is."""
        if not self._ended:
            self.jobs_screen.show_progress(message)

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
        from .screens.weigh import WeighScreen

        if isinstance(self.screen, (ConfirmScreen, WeighScreen)):
            self.screen.dismiss(None)
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

    # -- what the program itself has to say -------------------------------------------------------

    def _print(self, text: str, stderr: bool = False) -> None:
        """What anything in this process prints goes to the log: the screen is not for it."""
        self.program_log.printed(text, "err" if stderr else "out")

    def action_program_log(self) -> None:
        """Show the log."""
        self.push_screen(LogScreen(self.program_log))

    def action_guide(self, topic: str | None = None) -> None:
        """Open the guide, at a topic if one is given."""
        from .screens.guide import GuideScreen  # with the Markdown viewer, loaded when it is first opened

        if not isinstance(self.screen, GuideScreen):
            self.push_screen(GuideScreen(topic))

    def _mark_warnings(self) -> None:
        for screen in self.screen_stack:
            for header in screen.query(Header):
                header.warn(self.program_log.unseen)

    def on_header_log_asked(self) -> None:
        """The mark of warnings was clicked."""
        self.action_program_log()

    def _handle_exception(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        # Textual prints a page of variables here, which may be secret or hold escape sequences.
        if self.is_headless:
            super()._fatal_error()
        else:
            self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        if not self.is_headless:
            self._exit_renderables.clear()
        super()._print_error_renderables()

    # -- for the screens --------------------------------------------------------------------------

    def refuse_readonly(self) -> bool:
        """Whether acts are refused; says so."""
        if self.readonly:
            self.tell(READONLY, failed=True)
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

    def show_metrics(self, field: str, name: str, seconds: float) -> None:
        """Show the metrics of one queue or kind over a range."""
        from .screens.metrics import MetricsScreen

        self.action_room("metrics")
        opened = self.get_screen("metrics")
        assert isinstance(opened, MetricsScreen)
        self.call_later(opened.narrow_to, field, name, seconds)

    def open_job(self, job_id: int) -> None:
        """Open a job; from the screen of another one too, and then back leads there."""
        from .screens.job import JobScreen  # loaded a moment after the start, or when it is first opened

        self.push_screen(JobScreen(job_id))

    def close_job(self) -> None:
        """Back from the job to where one was. Another job's screen follows its own again when it comes to the front."""
        self.feed.open_job(None)
        self.pop_screen()

    def neighbour_of(self, job_id: int, by: int) -> int | None:
        """The job that comes `by` places after one in the list of the main screen, which follows; says so if there is none."""
        table = self.jobs_screen.table
        row = table.place_of(job_id)
        if row is None:
            self.tell(f"Job {job_id} is not in the list behind", failed=True)
            return None
        if not 0 <= row + by < table.total:
            self.tell(f"Job {job_id} is the {'last' if by > 0 else 'first'} of the list behind")
            return None
        return table.go_to(row + by)

    def explain_job(self, job_id: int) -> None:
        """Say why a job does not run."""
        self.push_screen(WhyScreen(job_id, self.feed.explain))

    def new_job(self, like: Job | None = None) -> None:
        """Open the form of a new job."""
        if like is not None and like.kind not in {kind.name for kind in self.kinds}:
            self.tell(f"{like.kind} is not known here; --app or JOBDECK_APP names the module that defines it", failed=True)
            return

        from .screens.new_job import LAST_KIND, NewJob, NewJobScreen  # loaded when it is first opened

        def answered(made: NewJob | None) -> None:
            if made is not None:
                self.feed.enqueue(*made)

        self.push_screen(NewJobScreen(self.kinds, like, last=self.remembered.get(LAST_KIND, "")), answered)

    def new_schedule(self) -> None:
        """Open the form of a new schedule."""
        from .screens.schedule_form import ScheduleFormScreen

        self.push_screen(ScheduleFormScreen(self.kinds), self._schedule_made)

    def edit_schedule(self, schedule: Schedule) -> None:
        """Open the form of a schedule."""
        from .screens.schedule_form import ScheduleFormScreen

        self.push_screen(ScheduleFormScreen(self.kinds, schedule), self._schedule_made)

    def _schedule_made(self, draft: ScheduleDraft | None) -> None:
        if draft is not None:
            self.feed.do(draft.keep)

    def copy(self, text: str, what: str) -> None:
        """Put text on the clipboard: through the terminal (OSC 52), and with the system's tool where there is one."""
        self.copy_to_clipboard(text)
        tool = system_tool()
        if tool is None:
            self.tell(f"Copied {what} through the terminal")
            return

        def hand_over() -> None:
            self.post_message(Answered(self.tell, f"Copied {what} {way if tool.copy(text) else other}"))

        way, other = f"with {tool.name}", f"through the terminal; {tool.name} did not take it"
        threading.Thread(target=hand_over, name="jobdeck-clipboard", daemon=True).start()

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
        copies = [stream.fileno() for stream in (sys.__stdout__, sys.__stderr__) if stream is not None]
        for standard in (0, *copies):
            os.dup2(nowhere, standard)
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
        seen = {f"app.room('{room.name}')" for room in ROOMS} | {f"app.room('{JOBS}')"}  # they are told below
        for active in screen.active_bindings.values():
            binding = active.binding
            if not binding.description or binding.system or binding.action in seen or binding.action in _NO_COMMANDS:
                continue
            seen.add(binding.action)
            title = binding.description[:1].upper() + binding.description[1:]
            yield SystemCommand(title, f"{keys_of(binding)}  {binding.tooltip}", _runner(self, binding.action, active.node))
        for room in ROOMS:
            yield SystemCommand(f"Go to {room.name}", f"{room.digit}  {room.told}", _goer(self, room.name))
        yield SystemCommand("Go to jobs", "5  The main screen", _goer(self, JOBS))
        yield from self.look_commands()


def _runner(app: Cockpit, action: str, node: object) -> Callable[[], None]:
    def run() -> None:
        app.call_later(app.run_action, action, node)

    return run


def _goer(app: Cockpit, name: str) -> Callable[[], None]:
    def go() -> None:
        app.call_later(app.action_room, name)

    return go
