"""The cockpit app: connects the feed to the screens and provides the services that all screens share."""

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

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import ModalScreen, Screen

from jobdeck import SWITCH_INTERVAL, Job, Overview, Schedule, default_in_forks, handler_kind

from .app_base import DEMO_ACTIONS, CockpitBase, changes_queue, is_refused
from .feed.connection_status import ConnectionMonitor
from .feed.feed import Feed, Post
from .feed.job_actions import ActionPreview, JobAction
from .feed.messages import (
    ActionFinished,
    ActionProgress,
    DatabaseReplaced,
    DatabaseUnavailable,
    DetailSnapshot,
    Drained,
    Explained,
    QueryResult,
    Reply,
    Snapshot,
)
from .forms.cli_command import enqueue_command as enqueue_command
from .keymap import Keymap
from .preferences import Preferences
from .screen_registry import BY_NAME, JOBS, SCREENS
from .screens.base import READONLY, CockpitScreen
from .screens.confirm import ConfirmScreen
from .screens.jobs import JobsScreen
from .screens.program_log import ProgramLogScreen
from .screens.quit import QuitScreen
from .screens.terminal_screen import TerminalDialog
from .screens.view_screen import ViewScreen
from .screens.why import WhyScreen
from .terminal.clipboard import system_tool
from .terminal.last_resort import LastResort, exit_now
from .terminal.line_filters import ControlCharFilter
from .terminal.program_log import ProgramLog
from .terminal.signals import on_signals
from .text.sanitize import safe
from .widgets.chrome.header import Header
from .widgets.chrome.key_hints import format_keys

if TYPE_CHECKING:
    from .demo.demo import Demo

#: Actions without a useful effect from the command palette.
_NO_COMMANDS = frozenset({"app.command_palette", "app.focus_next", "app.focus_previous", "screen.copy_text"})

HANG_UP_GRACE = 5.0
"""Seconds after the terminal has closed, or the event loop was found to hang, until the process exits unconditionally."""


LOAD_AFTER = 1.0
"""Seconds from the start until the modules that the first frame does not need are loaded."""

MakeFeed = Callable[[Post], Feed]


class Cockpit(CockpitBase):
    """The app; its return value is the process exit code."""

    CSS_PATH = "deck.tcss"
    TITLE = "jobdeck"
    ENABLE_COMMAND_PALETTE = True
    KEYMAP_SCOPE = "everywhere"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "request_quit", "quit", show=False, priority=True, tooltip="Quit, from any screen"),
        Binding(
            "exclamation_mark", "program_log", "log", show=False, tooltip="Show this program's warnings and printed output"
        ),
        Binding(
            "ctrl+z",
            "suspend_process",
            "suspend",
            show=False,
            tooltip="Suspend the cockpit; its own workers stand still until the shell's fg",
        ),
        Binding("f1", "guide", "guide", show=False, tooltip="Read the guide: jobs, retries, filters, deployment, …"),
        Binding("L", "lab", "lab", show=False, tooltip="Open the lab: races, crashes and zombies on scratch queues"),
        Binding("T", "tour", "tour", tooltip="In the demo: a presentation in chapters, at your pace"),
        Binding(
            "B",
            "break_something",
            "break",
            tooltip="In the demo: kill a worker, lock the database, take a dependency down, or enqueue a burst",
        ),
        Binding("ctrl+t", "next_theme", "next theme", show=False, tooltip="Switch to the next theme"),
        Binding(
            "ctrl+n",
            "recreate",
            "create a new database",
            show=False,
            tooltip="Create a new, empty database if the file was deleted or moved",
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
        remembered: Preferences | None = None,
        scheme: str | None = None,
        ascii_only: bool | None = None,
        keymap: Keymap | None = None,
        log: ProgramLog | None = None,
        by_default: bool = False,
        demo: Demo | None = None,
        tour: str = "",
    ) -> None:
        """Create the app; `run` opens it.

        Args:
            make_feed: creates the feed that reads the queue, given the function that posts its messages.
            where: the database's path or address, as shown to the user.
            grace: seconds that running jobs get to finish when the cockpit quits by draining.
            readonly: refuse every action that changes the queue.
            look_back: the charts' initial time range in seconds.
            remembered: the preferences of earlier sessions; without them, changes last for this session only.
            scheme: the theme; the one of the last session if `None`.
            ascii_only: draw in ASCII only; as in the last session if `None`.
            keymap: the user's changes to the keys.
            log: the program's own log.
            by_default: whether `jobdeck` commands find this database without `--db`.
            demo: the demo that the cockpit shows, if it shows one.
            tour: the tour that opens at once: a name of `tour.script.PLANS`, or nothing.
        """
        super().__init__(remembered=remembered, scheme=scheme, ascii_only=ascii_only)
        self._control_filter = ControlCharFilter()
        self.keymap = (keymap or Keymap()).keys
        self._key_problems = (keymap or Keymap()).problems
        self.feed = make_feed(self.post_message)
        self.kinds = self.feed.kinds()
        self.readonly = readonly
        self.grace = grace
        self.where = where
        self.by_default = by_default
        self.demo = demo
        self._tour = tour
        self._look_back = look_back
        self._shutting_down = False
        self.program_log = log or ProgramLog()
        self.failure: BaseException | None = None
        """The exception that crashed the cockpit."""
        self._connection = ConnectionMonitor()

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._control_filter]

    def get_driver_class(self) -> type[Driver]:
        """Return a driver that reads and writes the terminal on the event loop instead of on threads, if supported."""
        default = super().get_driver_class()
        if default.__name__ == "WebDriver":
            from .terminal.paste import parse_pastes_of_pages

            parse_pastes_of_pages()
        if default.__name__ != "LinuxDriver":
            return default
        from .terminal.driver import InlineDriver

        return InlineDriver

    def get_default_screen(self) -> Screen[None]:
        return JobsScreen(self.where, look_back=self._look_back)

    def on_mount(self) -> None:
        """Apply the user's keymap, monitor the database connection and handle termination signals."""
        self.set_interval(0.5, self._mark_warnings)
        self.set_keymap({**self.keymap})
        for problem in self._key_problems:
            self.notify_user(problem, failed=True)
        self.set_interval(1.0, self._check_connection)
        if self.demo is not None:
            self.demo.on_report = self._post_notice
        if self._tour:
            self.call_after_refresh(self.action_tour, self._tour)
        handlers = {
            signal.SIGTERM: self._terminate,
            signal.SIGINT: self._terminate,  # ctrl+c arrives as a key, not as a signal
            signal.SIGHUP: self._hang_up,
        }
        on_signals(asyncio.get_running_loop(), handlers, self._force_exit)
        default_in_forks(*handlers, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
        self.set_timer(LOAD_AFTER, self._load)
        self.app_resume_signal.subscribe(self, self._repaint)

    def _post_notice(self, text: str) -> None:
        """Show a toast, from any thread."""
        self.post_message(Reply(self.notify_user, text))

    def _repaint(self, _app: object) -> None:
        """Paint everything, after another program had the terminal."""
        for screen in self.screen_stack:
            screen.refresh(layout=True)

    def _load(self) -> None:
        """Import frequently opened screens in the background, so that the first key press does not wait."""

        def load() -> None:
            for module in (".screens.job", ".screens.new_job"):
                import_module(module, __package__)

        threading.Thread(target=load, name="jobdeck-loading", daemon=True).start()

    # -- from the feed ----------------------------------------------------------------------------

    @property
    def jobs_screen(self) -> JobsScreen:
        """The main screen, at the bottom of the stack."""
        root = self.screen_stack[0]
        assert isinstance(root, JobsScreen)
        return root

    @property
    def latest_overview(self) -> Overview | None:
        snapshot = self.jobs_screen.snapshot
        return None if snapshot is None else snapshot.overview

    @property
    def open_view(self) -> ViewScreen | None:
        """The open view screen, even if a job or a dialog covers it; `None` if only the main screen is open."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, ViewScreen)), None)

    @property
    def _screens_removed(self) -> bool:
        """Return whether the screens have been removed: the feed's last messages may arrive later."""
        return not self.screen_stack

    def on_snapshot(self, message: Snapshot) -> None:
        """Show the latest snapshot of the queue."""
        if self._screens_removed:
            return
        self._connection.on_snapshot()
        self.jobs_screen.show(message.deck)
        if (view := self.open_view) is not None:
            view.receive_snapshot(message.deck)
        if isinstance(self.screen, QuitScreen):
            self.screen.show(message.deck)

    @on(QueryResult)
    def on_query_result(self, message: QueryResult) -> None:
        """Pass the result of the open screen's query to it."""
        if not self._screens_removed and (view := self.open_view) is not None:
            view.receive_result(message.query, message.value)

    @on(Reply)
    def on_reply(self, message: Reply) -> None:
        """Call the callback of a one-time query with its result."""
        if not self._screens_removed:
            message.callback(message.value)

    def on_detail_snapshot(self, message: DetailSnapshot) -> None:
        """Show the latest state of the opened job."""
        detail = None if self._screens_removed else message.detail
        for screen in self.screen_stack if detail is not None else ():
            if isinstance(screen, CockpitScreen) and detail is not None:
                screen.receive_detail(detail)

    @on(ActionFinished)
    def on_action_finished(self, message: ActionFinished) -> None:
        """Report the result of an action."""
        if self._screens_removed:
            return
        self.notify_user(message.text, failed=message.failed)
        if message.job_id is not None:
            self.jobs_screen.table.expect(message.job_id)

    @on(ActionProgress)
    def on_action_progress(self, message: ActionProgress) -> None:
        """Show the progress of a bulk action."""
        if not self._screens_removed:
            self.jobs_screen.show_progress(message)

    def on_explained(self, message: Explained) -> None:
        """Show why the job is not running."""
        if not self._screens_removed and isinstance(self.screen, WhyScreen) and self.screen.job_id == message.job_id:
            self.screen.show(message.explanation)

    @on(DatabaseUnavailable)
    def on_database_unavailable(self, message: DatabaseUnavailable) -> None:
        """Show that the database is unavailable, or available again."""
        if self._screens_removed:
            return
        self._connection.on_error(message.text, lost=message.lost)
        self._show_connection_status()
        self.refresh_bindings()
        if message.lost:
            self.notify(
                safe(f"{(message.text or '')[:1].upper()}{(message.text or '')[1:]}. Running jobs continue, no new ones start,"
                " and the cockpit waits for the database to return. Press ctrl+n to create a new, empty one."),
                severity="warning",
                timeout=10,
                markup=False,
            )  # fmt: skip

    @on(DatabaseReplaced)
    def on_database_replaced(self, message: DatabaseReplaced) -> None:
        """Dismiss open confirmations and mark the selection as uncertain: both refer to jobs of the previous database."""
        if self._screens_removed:
            return
        from .screens.confirm_bulk import BulkConfirmScreen

        if isinstance(self.screen, (ConfirmScreen, BulkConfirmScreen)):
            self.screen.dismiss(None)
        self.jobs_screen.table.expect_other_database()

    def _check_connection(self) -> None:
        """Show the connection status every second, and redraw after the whole process was suspended."""
        if self._screens_removed:
            return
        if self._connection.beat():
            self.feed.refresh()
            self.screen.refresh(layout=True)  # something else may have been drawn over it
        self._show_connection_status()

    def _show_connection_status(self) -> None:
        status = self._connection.status(locked_since=self.feed.lock_wait_started, held_up=self.feed.worker_error)
        for screen in self.screen_stack:
            if isinstance(screen, CockpitScreen):
                screen.show_connection_status(status)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Allow `recreate` only if the database is missing, and the actions of the demo only in one."""
        if action in DEMO_ACTIONS:
            return self.demo is not None and any(getattr(each, "HAS_DEMO_KEYS", False) for each in self.screen_stack[-1:])
        return self._connection.lost if action == "recreate" else super().check_action(action, parameters)

    @changes_queue
    def action_recreate(self) -> None:
        """Create a new, empty database in place of the missing one."""
        self.feed.recreate()

    # -- the program's own log -------------------------------------------------------------------

    def _print(self, text: str, stderr: bool = False) -> None:
        """Redirect everything that this process prints to the log, to keep the screen intact."""
        self.program_log.add_printed(text, "err" if stderr else "out")

    def action_program_log(self) -> None:
        """Show the program's log."""
        self.push_screen(ProgramLogScreen(self.program_log))

    def action_guide(self, topic: str | None = None) -> None:
        """Open the guide, at a topic if one is given."""
        from .screens.guide import GuideScreen  # with the Markdown viewer, loaded when it is first opened

        if not isinstance(self.screen, GuideScreen):
            self.push_screen(GuideScreen(topic))

    def action_lab(self) -> None:
        """Open the lab."""
        from .screens.lab import LabScreen  # with the experiments, loaded when it is first opened

        if not any(isinstance(screen, LabScreen) for screen in self.screen_stack):
            self.push_screen(LabScreen())

    def action_tour(self, plan: str = "5m") -> None:
        """Open the tour."""
        from .lab.scheduler.programs import server_of
        from .screens.tour import TourScreen
        from .tour.session import TourSession

        if self.demo is not None and not any(isinstance(screen, (TourScreen, ModalScreen)) for screen in self.screen_stack):
            server = server_of(self.database_url)
            self.push_screen(TourScreen(lambda demo, on_change: TourSession(plan, demo, on_change, server=server)))

    def action_break_something(self) -> None:
        """Pick a fault, and cause it."""
        from .screens.break_something import BreakScreen

        demo = self.demo
        if demo is None or isinstance(self.screen, ModalScreen):
            return

        def cause(name: str | None) -> None:
            if name is not None:
                self.notify_user(demo.faults.cause(name))

        self.push_screen(BreakScreen(), cause)

    def _mark_warnings(self) -> None:
        for screen in self.screen_stack:
            for header in screen.query(Header):
                header.show_warnings(self.program_log.unseen)

    def on_header_log_requested(self) -> None:
        """Show the log when its warning mark is clicked."""
        self.action_program_log()

    def _handle_exception(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        # Textual would print local variables here, which may contain secrets or escape sequences.
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
        if self.readonly:
            self.notify_user(READONLY, failed=True)
        return self.readonly

    def change_jobs(self, action: JobAction, ids: Sequence[int], changed: Callable[[], None] | None = None) -> None:
        asked_on = self.screen

        def apply() -> None:
            if changed is not None:
                changed()

        def ask(preview: ActionPreview | None) -> None:
            if preview is None:
                apply()
            elif self.screen is not asked_on:  # a key that is meant for another dialog must not answer this one
                self.notify_user(f"{action.verb} stops running jobs and was not done; press its key again", failed=True)
            else:
                from .screens.confirm_irreversible import confirm_irreversible

                confirm_irreversible(self, preview, apply)

        self.feed.run_action(action, ids, ask)

    def action_open_screen(self, name: str, part: str = "") -> None:
        while len(self.screen_stack) > 1 and not isinstance(self.screen, ViewScreen):
            self.pop_screen()
        if name == JOBS:
            if isinstance(self.screen, ViewScreen):
                self.pop_screen()
                self.jobs_screen.table.focus()
            return
        if not self.is_screen_installed(name):
            self.install_screen(BY_NAME[name].build(), name)
        view = self.get_screen(name)
        assert isinstance(view, ViewScreen)
        if self.open_view is not view:
            view.snapshot = self.jobs_screen.snapshot
            if self.open_view is not None:
                self.switch_screen(view)
            else:
                self.push_screen(view)
            if self.jobs_screen.snapshot is not None:
                self.call_later(view.receive_snapshot, self.jobs_screen.snapshot)
        if part:
            self.call_later(view.focus_part, part)

    def show_jobs(self, filter: str) -> None:
        self.action_open_screen(JOBS)
        self.jobs_screen.show_matching(filter)

    def show_metrics(self, field: str, name: str, seconds: float) -> None:
        from .screens.metrics import MetricsScreen

        self.action_open_screen("metrics")
        metrics = self.get_screen("metrics")
        assert isinstance(metrics, MetricsScreen)
        self.call_later(metrics.narrow_to, field, name, seconds)

    def open_job(self, job_id: int) -> None:
        from .screens.job import JobScreen  # imported by `_load`, or on first use

        self.push_screen(JobScreen(job_id))

    def close_job(self) -> None:
        self.feed.open_job(None)  # the screen of another job follows its own job again when it resumes
        self.pop_screen()

    def neighbor_of(self, job_id: int, by: int) -> int | None:
        table = self.jobs_screen.table
        row = table.place_of(job_id)
        if row is None:
            self.notify_user(f"Job {job_id} is not in the job list", failed=True)
            return None
        if not 0 <= row + by < table.total:
            self.notify_user(f"Job {job_id} is the {'last' if by > 0 else 'first'} in the job list")
            return None
        return table.go_to(row + by)

    def explain_job(self, job_id: int) -> None:
        self.push_screen(WhyScreen(job_id, self.feed.explain))

    def new_job(self, like: Job | None = None) -> None:
        if like is not None and handler_kind(like.kind) not in {kind.name for kind in self.kinds}:
            self.notify_user(f"Kind {like.kind} is not registered; name its module with --app or JOBDECK_APP", failed=True)
            return

        from .screens.new_job import LAST_KIND, NewJobScreen  # imported on first use

        self.push_screen(NewJobScreen(self.kinds, like, last=self.preferences.get(LAST_KIND, "")))

    def new_schedule(self) -> None:
        from .screens.schedule_form import ScheduleFormScreen

        self.push_screen(ScheduleFormScreen(self.kinds))

    def edit_schedule(self, schedule: Schedule) -> None:
        from .screens.schedule_form import ScheduleFormScreen

        self.push_screen(ScheduleFormScreen(self.kinds, schedule))

    def copy(self, text: str, what: str) -> None:
        self.copy_to_clipboard(text)  # through the terminal (OSC 52); some ignore it, so use the system's tool too
        tool = system_tool()
        if tool is None:
            self.notify_user(f"Copied {what} through the terminal")
            return

        def copy_with_tool() -> None:
            self.post_message(Reply(self.notify_user, f"Copied {what} {done if tool.copy(text) else failed}"))

        done, failed = f"with {tool.name}", f"through the terminal; {tool.name} failed"
        threading.Thread(target=copy_with_tool, name="jobdeck-clipboard", daemon=True).start()

    def copy_command(self, job: Job) -> None:
        self.copy(enqueue_command(job), "the command that enqueues the job")

    # -- quitting ---------------------------------------------------------------------------------

    def action_request_quit(self) -> None:
        """Quit; ask how if jobs are running here. Close an open dialog first; release the jobs if already draining."""
        if isinstance(self.screen, QuitScreen):
            self.screen.action_release()
        elif isinstance(self.screen, TerminalDialog):
            self.screen.request_close()
        elif isinstance(self.screen, ModalScreen):
            self.screen.dismiss(None)
        elif self.demo is None and (running := self.feed.running_here):
            self.push_screen(QuitScreen(running, self.grace))
        elif not self._shutting_down:
            self._shut_down(0.0)

    def _terminate(self) -> None:
        """Handle SIGTERM and SIGINT: drain with a visible countdown; release the jobs on the second signal, or in a demo."""
        if self._shutting_down or self.demo is not None:
            self._shut_down(0.0)
            return
        self.push_screen(QuitScreen(self.feed.running_here, self.grace, draining=True))

    def action_command_palette(self) -> None:
        """Open the command palette, unless a dialog is open."""
        if not isinstance(self.screen, ModalScreen):
            super().action_command_palette()

    @on(QuitScreen.Chosen)
    def on_quit_confirmed(self, message: QuitScreen.Chosen) -> None:
        """Shut down the worker threads within the chosen grace period."""
        self._shut_down(message.grace)

    def _shut_down(self, grace: float) -> None:
        self._shutting_down = True
        self.feed.drain(grace)

    def _hang_up(self) -> None:
        """Handle SIGHUP: the terminal has closed and cannot show a countdown, so release the running jobs and exit."""
        null = os.open(os.devnull, os.O_RDWR)
        outputs = [stream.fileno() for stream in (sys.__stdout__, sys.__stderr__) if stream is not None]
        for descriptor in (0, *outputs):
            os.dup2(null, descriptor)
        LastResort().arm(HANG_UP_GRACE)
        self._shut_down(0.0)

    def _force_exit(self, number: int) -> None:
        """Exit although the event loop hangs: release the running jobs and restore the terminal. Runs on another thread."""
        LastResort().arm(HANG_UP_GRACE, 128 + number)
        sys.setswitchinterval(SWITCH_INTERVAL)  # the loop that hangs would keep the interpreter for 20 ms at a time
        with contextlib.suppress(Exception):
            self.feed.end()
        with contextlib.suppress(Exception):
            assert self._driver is not None
            self._driver.stop_application_mode()
        exit_now(128 + number)

    def on_drained(self, message: Drained) -> None:
        """Exit once the worker threads have ended."""
        self.exit(0)

    # -- the command palette ----------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield a command for every key with a description, for every screen and for the themes."""
        seen = {f"app.open_screen('{spec.name}')" for spec in SCREENS} | {f"app.open_screen('{JOBS}')"}  # listed below
        for active in screen.active_bindings.values():
            binding = active.binding
            if not binding.description or binding.system or binding.action in seen or binding.action in _NO_COMMANDS:
                continue
            if is_refused(active.node, binding.action):
                continue
            seen.add(binding.action)
            title = binding.description[:1].upper() + binding.description[1:]
            yield SystemCommand(
                title, f"{format_keys(binding)}  {binding.tooltip}", _run_later(self, binding.action, active.node)
            )
        for spec in SCREENS:
            yield SystemCommand(f"Go to {spec.name}", f"{spec.digit}  {spec.description}", _open_later(self, spec.name))
        yield SystemCommand("Go to jobs", "5  The main screen", _open_later(self, JOBS))
        yield from self.theme_commands()


def _run_later(app: Cockpit, action: str, node: object) -> Callable[[], None]:
    def run() -> None:
        app.call_later(app.run_action, action, node)

    return run


def _open_later(app: Cockpit, name: str) -> Callable[[], None]:
    def open_screen() -> None:
        app.call_later(app.action_open_screen, name)

    return open_screen
