"""Watches a lane for a viewer while it runs: its ledger and its committed rows, read by readers of their own."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import apsw

from jobdeck import record

from .audit import Audit
from .ledger import LedgerLine, LedgerReader
from .stage import Stage, StageLane

_ROWS = {
    True: "SELECT id, state, attempt, worker, lease_until, priority FROM jobdeck_jobs ORDER BY id",
    False: "SELECT id, state, attempt, worker, lease_until, 0 FROM jobs ORDER BY id",
}


@record
class LaneSpec:
    """A lane before it is played."""

    name: str
    what: str
    """Its way of working, in a few words."""
    is_jobdeck: bool = False


@record
class JobRow:
    """A committed row."""

    id: int
    state: str
    attempt: int
    pid: int | None
    lease_left: float | None
    """Seconds until its lease ends; `None` if it has none."""
    priority: int


class LaneWatch:
    """A lane as it is seen from outside. Use it from one thread."""

    def __init__(self, spec: LaneSpec) -> None:
        self.spec = spec
        self.lane: StageLane | None = None
        """The lane on the stage; `None` before it is played."""
        self.lines: list[LedgerLine] = []
        """Its ledger."""
        self.starts: Counter[int | None] = Counter()
        """The number of starts of each job."""
        self.ended: set[int | None] = set()
        """The jobs that have ended."""
        self.busy: dict[int | None, LedgerLine] = {}
        """The run of each process that is in mid-job; of a worker with threads, the newest."""
        self.plan: dict[str, float] = {}
        """The numbers that the experiment has written to the ledger beforehand: `jobs`, …"""
        self.counts: Counter[str] = Counter()
        """The number of lines of each event."""
        self.dead: set[int | None] = set()
        self.stopped: set[int | None] = set()
        self.is_active = False
        """`True` while the experiment plays in this lane."""
        self.now = 0.0
        """The time of the last look, on the clock of the ledger."""
        self.caption = ""
        """The last event that the experiment has reported."""
        self._reader: LedgerReader | None = None
        self._connection: apsw.Connection | None = None
        self._audit: Audit | None = None
        self._rows: Sequence[JobRow] | None = None

    def look(self) -> None:
        """Read what is new."""
        self._rows = None
        self.now = time.monotonic()
        if self.lane is None:
            return
        if self._reader is None:
            self._reader = LedgerReader(self.lane.ledger)
        for line in self._reader.read():
            self.lines.append(line)
            self._follow(line)

    def _follow(self, line: LedgerLine) -> None:
        self.counts[line.event] += 1
        match line.event:
            case "plan":
                self.plan |= line.more
            case "start":
                self.starts[line.job] += 1
                self.busy[line.pid] = line
            case "end":
                self.ended.add(line.job)
                self.busy.pop(line.pid, None)
            case "kill" | "exit":
                self.dead.add(line.pid)
                self.busy.pop(line.pid, None)
            case "stop":
                self.stopped.add(line.pid)
            case "continue":
                self.stopped.discard(line.pid)

    @property
    def pids(self) -> Sequence[int]:
        """Return the processes that were started in it."""
        return [] if self.lane is None else [each.pid for each in [*self.lane.processes]]

    @property
    def alive(self) -> Sequence[int]:
        """Return those that were not reported dead."""
        return [pid for pid in self.pids if pid not in self.dead]

    @property
    def rows(self) -> Sequence[JobRow]:
        """Return the committed rows at this look."""
        if self._rows is None:
            self._rows = self._read_rows()
        return self._rows

    def _read_rows(self) -> Sequence[JobRow]:
        if self.lane is None or not self.lane.database.exists():
            return []
        try:
            if self._connection is None:
                uri = f"{self.lane.database.absolute().as_uri()}?mode=ro"
                self._connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
                self._connection.set_busy_timeout(100)
            now = time.monotonic()
            return [
                JobRow(id, state, attempt, _pid_of(worker), None if lease is None else max(0.0, lease - now), priority)
                for id, state, attempt, worker, lease, priority in self._connection.execute(_ROWS[self.spec.is_jobdeck])
            ]
        except apsw.Error:  # its tables are not there yet
            return []

    def audit(self) -> Audit | None:
        """Return the audit of the lane, up to now; `None` before there is anything."""
        if self.lane is None or not self.lane.database.exists():
            return None
        if self._audit is None:
            try:
                self._audit = self.lane.audit()
            except apsw.Error:
                return None
        else:
            self._audit.refresh()
        return self._audit

    def close(self) -> None:
        """Close what was opened."""
        for each in (self._audit, self._connection):
            if each is not None:
                with contextlib.suppress(apsw.Error):
                    each.close()
        self._audit = self._connection = None


class Watch:
    """All lanes of an experiment, before, while and after it is played."""

    def __init__(
        self, lanes: Sequence[LaneSpec], stage: Stage | None = None, *, plan: Mapping[str, float] | None = None
    ) -> None:
        """Create a watch.

        Args:
            lanes: the lanes of the experiment.
            stage: the stage that it is played on; `None` before it is.
            plan: the numbers that are going to be played, before the ledger has them.
        """
        self.lanes = [LaneWatch(spec) for spec in lanes]
        for each in self.lanes:
            each.plan |= plan or {}
        self._stage = stage

    def look(self) -> Sequence[LaneWatch]:
        """Read what is new, and return the lanes."""
        if self._stage is not None:
            played = {lane.name: lane for lane in [*self._stage.lanes]}
            last = next((event for event in reversed(self._stage.timeline)), None)
            for each in self.lanes:
                each.lane = each.lane or played.get(each.spec.name)
                if last is not None and last.lane == each.spec.name:
                    each.caption = last.text
                each.look()
            started = [each for each in self.lanes if each.pids]
            for each in self.lanes:
                each.is_active = bool(started) and each is started[-1]
        return self.lanes

    def close(self) -> None:
        """Close what was opened."""
        for each in self.lanes:
            each.close()


def _pid_of(worker: object) -> int | None:
    """Return the process of a worker: its number, or the one in jobdeck's `host:pid:random`."""
    if isinstance(worker, int):
        return worker
    parts = str(worker).split(":")
    return int(parts[-2]) if len(parts) >= 3 and parts[-2].isdecimal() else None
