"""The form of a new job, generated from the arguments of its kind and validated while typing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Select, Static

from jobdeck import Job, Kind, Queue, given_name, handler_kind

from ..forms.cli_command import new_job_command
from ..forms.options import JOB_OPTIONS, options_of
from ..forms.validation import Problems, problems_of_job
from ..text.sanitize import safe
from .form import FormScreen

NewJob = tuple[str, Mapping[str, Any], Mapping[str, Any]]
"""Kind, arguments, options."""
LAST_KIND = "kind of the newest job"
"""The preference that stores the kind of the last new job."""


class NewJobScreen(FormScreen[NewJob]):
    """The form: pick a kind, fill in its arguments, enqueue."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "submit", "enqueue", key_display="⏎ or ^s", tooltip="Enqueue the job"),
        *FormScreen.BINDINGS[1:],
    ]
    DIALOG = "new-job"
    OPTIONS = JOB_OPTIONS
    UNSAVED = "No job was enqueued."

    def __init__(self, kinds: Sequence[Kind], like: Job | None = None, *, last: str = "") -> None:
        """Create the form.

        Args:
            kinds: the kinds that can be enqueued.
            like: a job to fill the form in from.
            last: the initial kind if no job is given.
        """
        super().__init__(kinds)
        self._like = like if like is not None and handler_kind(like.kind) in self.kinds else None
        first = handler_kind(self._like.kind) if self._like is not None else last
        self._kind = self.kinds.get(first) or next(iter(self.kinds.values()))

    def head(self) -> Iterable[Widget]:
        names = [(safe(name), name) for name in self.kinds]
        yield Select(names, value=self._kind.name, allow_blank=False, compact=True, id="kind")
        yield Static("", id="kind-doc", markup=False)

    async def fill_in(self) -> None:
        dialog = self.query_one("#new-job")
        like = f" like job {self._like.id}" if self._like is not None else ""
        dialog.border_title = Content.assemble(("new job", "bold"), (like, "$quiet"))
        await self._fill()

    async def _fill(self) -> None:
        self.query_one("#kind-doc", Static).update(safe(self._kind.doc) or "No description.")
        like = self._like if self._like is not None and handler_kind(self._like.kind) == self._kind.name else None
        args = _args_of(like)
        await self.arguments.fill(self._kind, args or {}, as_json=args is None)
        await self.fill_options(self._kind, {} if like is None else _options_of(like))
        first = self.arguments.first_input or self.query("#options Input").first()
        first.focus()

    async def on_select_changed(self, event: Select.Changed) -> None:
        """Rebuild the form after another kind was selected."""
        if event.select.id == "kind" and event.value != self._kind.name:
            self._kind = self.kinds[str(event.value)]
            self._submitted = False
            await self._fill()
        self.check()

    # -- validation -------------------------------------------------------------------------------

    def read(self) -> tuple[NewJob, dict[str, str]]:
        arguments = self.arguments.parse()
        options, problems = self.read_options()
        return (self._kind.name, arguments.args, options), {**arguments.problems, **problems}

    def validate_draft(self, queue: Queue, draft: NewJob) -> tuple[Problems, object]:
        kind, args, options = draft
        return problems_of_job(queue, kind, args, options), None

    def save(self, draft: NewJob, answer: Callable[[str | None], None]) -> None:
        self.cockpit.feed.enqueue(*draft, answer)

    def command_line(self, draft: NewJob) -> str:
        return new_job_command(self._kind, draft[1], self.typed_options())

    def action_submit(self) -> None:
        """Return the job once the queue finds no problem."""
        self.cockpit.preferences.put(LAST_KIND, self._kind.name)
        super().action_submit()


def _args_of(like: Job | None) -> Mapping[str, Any] | None:
    """Return the initial arguments; `None` if they cannot be shown as fields."""
    if like is None:
        return {}
    try:
        args = like.args
    except Exception:  # unreadable: start with an empty form
        return {}
    return args if isinstance(args, dict) else None


def _options_of(like: Job) -> Mapping[str, str]:
    """Return the initial options, without the tag of a schedule, which does not enqueue this job."""
    options = dict(options_of(like))
    options["name"] = given_name(like.kind, _args_of(like)) or ""
    options["tags"] = " ".join(tag for tag in like.tags if not tag.startswith("schedule:"))
    return options
