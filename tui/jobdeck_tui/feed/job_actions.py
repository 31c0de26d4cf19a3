"""What people do to jobs, to which jobs, and what came of it in words. The feed does it; no screen touches the queue."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jobdeck import Changes, Job, Operation, Queue, State, Term, Undoing, allows

from ..text.sanitize import safe
from .pages import condition_of

STEP = 500
"""Jobs changed in one transaction: workers write in between."""
_READ = 5000
"""Records read at once where jobs are weighed one by one."""


@dataclass(frozen=True, slots=True)
class Deed:
    """An act on jobs."""

    operation: Operation
    priority: int = 0
    relative: bool = True
    """Whether the priority is added to what it was."""

    @property
    def verb(self) -> str:
        """What is done, as on a button: `Retry`."""
        return _WORDS[self.operation][0]

    @property
    def doing(self) -> str:
        """What is done, while it is: `retrying`."""
        return _WORDS[self.operation][1]

    @property
    def will(self) -> str:
        """What will become of the jobs: `will run again`."""
        if self.operation is Operation.REPRIORITISE:
            return f"will have their priority {self._changed}"
        return _WORDS[self.operation][2]

    @property
    def _changed(self) -> str:
        return f"changed by {self.priority:+d}" if self.relative else f"set to {self.priority}"

    def do(self, queue: Queue, ids: Sequence[int], act: int | None = None) -> Changes:
        """Do it to these jobs, as part of an act of the journal if it is given."""
        match self.operation:
            case Operation.CANCEL:
                return queue.cancel_many(ids, act=act)
            case Operation.RETRY:
                return queue.retry_many(ids, act=act)
            case Operation.DELETE:
                return queue.delete_many(ids, act=act)
            case _:
                return queue.reprioritize_many(ids, self.priority, relative=self.relative, act=act)

    def told(self, what: str, stopping: int = 0, *, all_stopping: bool = False) -> str:
        """What was done to `what`: one job, or so many."""
        match self.operation:
            case Operation.CANCEL if all_stopping:
                return f"{what} asked to stop"
            case Operation.CANCEL:
                return f"{what} cancelled" + (f", {stopping:,} of them asked to stop" if stopping else "")
            case Operation.RETRY:
                return f"{what} will run again"
            case Operation.DELETE:
                return f"{what} deleted"
            case _:
                return f"{what}: priority {self._changed}"


CANCEL, RETRY, DELETE = (Deed(each) for each in (Operation.CANCEL, Operation.RETRY, Operation.DELETE))

_WORDS = {
    Operation.CANCEL: ("Cancel", "cancelling", "will be cancelled"),
    Operation.RETRY: ("Retry", "retrying", "will run again"),
    Operation.DELETE: ("Delete", "deleting", "will be deleted"),
    Operation.REPRIORITISE: ("Change", "changing the priority of", ""),
}
_ENDED = "have ended"
_WHY_NOT: Mapping[Operation, Mapping[State, str]] = {
    Operation.CANCEL: {State.COMPLETED: _ENDED, State.FAILED: _ENDED, State.CANCELLED: _ENDED},
    Operation.RETRY: {
        State.RUNNING: "run now; cancel them first",
        State.PENDING: "are ready to run already",
        State.WAITING: "wait for other jobs",
        State.COMPLETED: "are done; to run them again filter by state:completed",
    },
    Operation.DELETE: {State.RUNNING: "run now; cancel them first"},
    Operation.REPRIORITISE: {
        State.RUNNING: "run already",
        State.COMPLETED: _ENDED,
        State.FAILED: _ENDED,
        State.CANCELLED: _ENDED,
    },
}


def why_not(operation: Operation, state: State) -> str:
    """Why the operation is not done to jobs in that state, after the words `5 running jobs`."""
    return _WHY_NOT[operation].get(state, f"are {state.value}")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs an act concerns: some by their ids, or everything that matches a filter when the act is weighed."""

    ids: tuple[int, ...] = ()
    everything: bool = False
    filter: str = ""
    tab: str = "all"
    without: frozenset[int] = frozenset()
    """Of everything, those that were unmarked again."""

    @property
    def told(self) -> str:
        """Which jobs, in words for the title of a question."""
        if not self.everything:
            return "the marked jobs"
        parts = [*[self.filter] * bool(self.filter), *[f"state:{self.tab}"] * (self.tab != "all")]
        return f"everything that matches {' '.join(parts)}" if parts else "all jobs"


@dataclass(frozen=True, slots=True)
class Weighed:
    """What an act would do."""

    deed: Deed
    ids: array[int] = field(default_factory=lambda: array("q"))
    """To which jobs."""
    able: Mapping[State, int] = field(default_factory=dict)
    """How many of each state these are."""
    refused: Mapping[State, int] = field(default_factory=dict)
    """How many of each state will be left as they are."""
    gone: int = 0
    """How many are not there any more."""


def weigh(queue: Queue, deed: Deed, selection: Selection) -> Weighed:
    """What the deed would do to the selection. Raises `InvalidFilter`."""
    if not selection.everything:
        return _weigh_some(queue, deed, selection.ids)
    condition = condition_of(selection.filter, selection.tab)
    named = any(term.field == "state" for term in condition.terms)
    if selection.without:
        condition = condition.and_(Term("id", ":", tuple(sorted(selection.without)), negated=True))
    states = [state for state in State if allows(deed.operation, state)]
    if deed.operation is Operation.RETRY and not named:
        states.remove(State.COMPLETED)  # what has been done is done again only if that was said
    ids = queue.ids(condition.and_(Term("state", ":", tuple(map(str, states)))), descending=False)
    counts = queue.count_states(condition)
    able = {state: n for state, n in counts.items() if state in states}
    return Weighed(deed, ids, able, {state: n for state, n in counts.items() if state not in states})


def _weigh_some(queue: Queue, deed: Deed, wanted: Sequence[int]) -> Weighed:
    ids = array("q")
    able: Counter[State] = Counter()
    refused: Counter[State] = Counter()
    for job in _records(queue, wanted):
        if allows(deed.operation, job.state):
            ids.append(job.id)
            able[job.state] += 1
        else:
            refused[job.state] += 1
    return Weighed(deed, ids, able, refused, len(wanted) - len(ids) - sum(refused.values()))


def _records(queue: Queue, ids: Sequence[int]) -> Iterable[Job]:
    for start in range(0, len(ids), _READ):
        yield from queue.get_many(ids[start : start + _READ])


@dataclass(slots=True)
class Outcome:
    """What an act in one step or many has come to so far."""

    deed: Deed
    done: int = 0
    first: int = 0
    """The id of the first job it was done to."""
    refused: int = 0
    example: str = ""
    """Why one of the others was refused."""
    undoable: int = 0
    children: int = 0
    stopping: int = 0
    act: int | None = None

    def add(self, queue: Queue, changes: Changes) -> None:
        """Take in what came of one step."""
        if changes.done and not self.done:
            self.first = changes.done[0]
        self.done += len(changes.done)
        self.refused += len(changes.refused)
        if changes.refused and not self.example:
            self.example = str(next(iter(changes.refused.values())))
        self.undoable += changes.undoable
        self.children += changes.children
        self.act = changes.act or self.act
        if self.deed.operation is Operation.CANCEL and changes.undoable < len(changes.done):
            self.stopping += sum(job.cancelling for job in queue.get_many(changes.done))

    def sentence(self, queue: Queue) -> tuple[str, bool]:
        """What came of it, and whether it is a failure in part or whole; an empty text where nothing was to do."""
        if not self.done:
            more = f" (and {self.refused - 1:,} more)" if self.refused > 1 else ""
            return f"{self.example}{more}" if self.refused else "", True
        what = f"Job {self.first}" if self.done == 1 else f"{self.done:,} jobs"
        text = self.deed.told(what, self.stopping, all_stopping=self.stopping == self.done)
        if self.deed.operation is Operation.REPRIORITISE and self.done == 1:
            text = f"{what}: priority {queue.get(self.first).priority}"
        if self.children:
            text += f", and {self.children:,} that waited"
        if self.undoable == self.done:
            text += " · z undoes"
        elif self.undoable:
            text += f" · z undoes {self.undoable:,} of them"
        if self.refused:
            text += f"; {self.refused:,} could not, for example: {self.example}"
        return text, bool(self.refused)


def told_turned(undoing: Undoing, what: str) -> tuple[str, bool]:
    """What came of an undo or a redo, and whether some of it was refused. `what` is `Undone` or `Done again`."""
    refusals = list(undoing.refused.values())
    rest = len(refusals) + undoing.beyond
    text = f"{what}: {safe(undoing.act.told)}"
    if not undoing.done:
        text = f"Not {what.lower()}: {safe(undoing.act.told)}"
    elif rest:
        text += f", for {len(undoing.done):,} of {len(undoing.done) + rest:,}"
    if refusals:
        text += f". {refusals[0]}" + (f" (and {len(refusals) - 1:,} more)" if len(refusals) > 1 else "")
    return text, bool(rest) or not undoing.done
