"""Group commit of concurrent enqueues: nothing is lost or stored twice, and a refusal affects only its own request."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import apsw
import pytest
from tests.core.helpers import Bench, new, wait_until

from jobdeck import Job, JobNotFound, OnConflict, RowRefused, State, StoreBusy, StoreFailed, UniqueKeyConflict
from jobdeck.store.sqlite import SqliteStore
from jobdeck.store.sqlite.counters import SqliteCounterDeltas
from jobdeck.store.sqlite.enqueue import Enqueuer
from jobdeck.store.sqlite.group_commit import GroupCommit

pytestmark = pytest.mark.sqlite


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run each on its own thread; return what it returned or raised."""
    told: list[Any] = [None] * len(acts)

    def run(n: int) -> None:
        try:
            told[n] = acts[n]()
        except BaseException as error:
            told[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "a thread waits for ever"
    return told


class Held:
    """Delays the commit until a number of requests wait for the next one."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(bench.store, SqliteStore)
        self.bench = bench
        self.shared: GroupCommit[Any, Any] = bench.store.enqueuer._group_commit
        self.rounds: list[int] = []
        self.opened = threading.Event()
        self.entered = threading.Event()
        write = self.shared._write

        def held(requests: Sequence[Any], arrived: Any) -> Any:
            self.rounds.append(len(requests))
            self.entered.set()
            assert self.opened.wait(20)
            return write(requests, tuple)

        monkeypatch.setattr(self.shared, "_write", held)

    def together(self, *acts: Callable[[], Any]) -> list[Any]:
        """Have these requests committed together, after another request."""
        first = threading.Thread(target=self.bench.enqueue)
        first.start()
        assert self.entered.wait(20)
        told: list[Any] = []
        rest = threading.Thread(target=lambda: told.extend(at_once(*acts)))
        rest.start()
        wait_until(lambda: len(self.shared._waiting) == len(acts))
        self.opened.set()
        first.join(20)
        rest.join(20)
        return told


@pytest.fixture
def held(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(bench, monkeypatch)


def test_jobs_of_many_threads_are_each_stored_exactly_once(bench: Bench) -> None:
    def many(thread: int) -> list[Job]:
        return [job for n in range(40) for job in bench.enqueue(new(args_json=f'{{"n":[{thread},{n}]}}'), new(f"kind{thread}"))]

    told = [job for jobs in at_once(*[lambda thread=thread: many(thread) for thread in range(8)]) for job in jobs]
    assert len({job.id for job in told}) == len(told) == 640
    assert bench.store.reader.get_many([job.id for job in told]) == told
    assert bench.counts() == {State.PENDING: 640}
    bench.check_counters()


def test_requests_during_a_commit_share_the_next_one(bench: Bench, held: Held) -> None:
    told = held.together(*[bench.enqueue] * 6)
    assert held.rounds == [1, 6]
    assert len({jobs[0].id for jobs in told}) == 6
    bench.check_counters()


@pytest.mark.parametrize("refused", [True, False])
def test_requests_that_arrive_before_the_commit_are_part_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    assert isinstance(bench.store, SqliteStore)
    shared: GroupCommit[Any, Any] = bench.store.enqueuer._group_commit
    write, inserted, wanted = SqliteCounterDeltas.write, threading.Event(), threading.Event()
    commits: list[object] = []

    def counted(tally: SqliteCounterDeltas, connection: apsw.Connection) -> None:
        commits.append(tally)
        write(tally, connection)

    insert = Enqueuer._insert_jobs

    def slow(enqueuer: Enqueuer, *jobs: Any) -> list[Job]:
        stored = insert(enqueuer, *jobs)
        if not inserted.is_set():
            inserted.set()
            assert wanted.wait(20)
        return stored

    monkeypatch.setattr(SqliteCounterDeltas, "write", counted)
    monkeypatch.setattr(Enqueuer, "_insert_jobs", slow)
    late = new(args_json="\ud800") if refused else new()
    told = at_once(
        lambda: bench.enqueue(new()),
        lambda: inserted.wait(20) and bench.enqueue(late),
        lambda: inserted.wait(20) and bench.enqueue(new("other")),
        lambda: (wait_until(lambda: len(shared._waiting) == 2), wanted.set()),
    )
    assert [type(each) for each in told[:3]] == [list, RowRefused if refused else list, list]
    assert len(commits) == 1 + refused  # the counters of a request that is stored by itself are its own
    assert len(bench.rows("SELECT id FROM jobdeck_jobs")) == 3 - refused
    bench.check_counters()


def test_a_refused_request_does_not_affect_others(bench: Bench, held: Held) -> None:
    told = held.together(
        bench.enqueue,
        lambda: bench.enqueue(new(), new(after=(99,))),
        lambda: bench.enqueue(new(unique_key="k")),
        lambda: bench.enqueue(new(args_json="\ud800")),
        lambda: bench.enqueue(new(tags=(object(),))),
        lambda: bench.enqueue(new(), new()),
    )
    assert held.rounds == [1, 6]
    assert [type(each) for each in told] == [list, JobNotFound, list, RowRefused, TypeError, list]
    assert bench.counts() == {State.PENDING: 5}
    bench.check_counters()
    with pytest.raises(UniqueKeyConflict):
        bench.enqueue(new(unique_key="k", on_conflict=OnConflict.REFUSE))


def test_an_unstorable_job_does_not_affect_others_in_its_commit(bench: Bench, held: Held) -> None:
    told = held.together(bench.enqueue, lambda: bench.enqueue(new(args_json="\ud800")), bench.enqueue)
    assert held.rounds == [1, 3]
    assert sorted(type(each).__name__ for each in told) == ["RowRefused", "list", "list"]
    assert bench.counts() == {State.PENDING: 3}
    bench.check_counters()


def test_a_job_in_a_group_commit_is_stored_as_if_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    now = bench.clock.now()
    drafts = [
        new("mail.send", queue="mail", priority=-7, args_json='{"to":"Zoë \\u0000 \\"x\\""}', tags=("a b", "ü")),
        new(scheduled_at=now + 60.25, timeout=1.5, max_attempts=7, expires_at=now + 1e6 + 1 / 3),
        new(backoff_json="[1.0,2.0]", scheduled_at=now - 5),
        new("img", args_json='{"big":12345678901234567890,"x":0.1}'),
    ]
    alone = [bench.enqueue(draft)[0] for draft in drafts]
    held = Held(bench, monkeypatch)
    told = held.together(*[lambda draft=draft: bench.enqueue(draft) for draft in drafts])
    assert held.rounds[-1] == 4
    assert [replace(jobs[0], id=0) for jobs in told] == [replace(job, id=0) for job in alone]
    assert [bench.get(jobs[0]) for jobs in told] == [jobs[0] for jobs in told]
    bench.check_counters()


def test_concurrent_enqueues_with_one_key_store_one_job(bench: Bench, held: Held) -> None:
    told = held.together(*[lambda: bench.enqueue(new(unique_key="k"))] * 6)
    assert len({jobs[0].id for jobs in told}) == 1
    assert bench.counts() == {State.PENDING: 2}


def test_a_failure_of_the_store_reaches_all_requests_and_stores_nothing(
    bench: Bench, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = SqliteCounterDeltas.write, [0]

    def full(tally: SqliteCounterDeltas, connection: apsw.Connection) -> None:
        calls[0] += 1
        if calls[0] == 2:  # after the first commit, and after the jobs of the second
            connection.execute("ROLLBACK")  # as SQLite does by itself
            raise apsw.FullError("database or disk is full")
        write(tally, connection)

    monkeypatch.setattr(SqliteCounterDeltas, "write", full)
    told = held.together(*[bench.enqueue] * 5)
    assert [type(each) for each in told] == [StoreFailed] * 5
    assert bench.counts() == {State.PENDING: 1}
    bench.check_counters()
    assert len(bench.enqueue()) == 1


def test_a_busy_database_is_reported_to_all_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(requests: Sequence[int], arrived: object) -> list[int]:
        raise StoreBusy("jobs.db", 5)

    shared: GroupCommit[int, int] = GroupCommit(write, lambda: StoreFailed("jobs.db", "interrupted"))
    told = at_once(*[lambda: shared.submit(1)] * 8)
    assert [type(each) for each in told] == [StoreBusy] * 8


class Paper:
    """A target of group commits. The first commit, of `first` alone, lasts until it is released."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.shared: GroupCommit[str, str] = GroupCommit(self.write, lambda: StoreFailed("jobs.db", "it was interrupted"))

    def write(self, requests: Sequence[str], arrived: object) -> list[str]:
        if "first" in requests:
            self.entered.set()
            assert self.let_go.wait(20)
        if "break off" in requests:
            raise KeyboardInterrupt
        self.written.extend(requests)
        return [each.upper() for each in requests]

    def submit_as(self, place: int, asked: str) -> str:
        """Submit a request when this number of requests is waiting."""
        assert self.entered.wait(20)
        wait_until(lambda: len(self.shared._waiting) == place)
        return self.shared.submit(asked)

    def when(self, waiting: int, act: Callable[[], None]) -> None:
        wait_until(lambda: len(self.shared._waiting) == waiting)
        act()


def test_an_interrupted_leader_leaves_no_request_waiting() -> None:
    paper = Paper()
    told = at_once(
        lambda: paper.shared.submit("first"),
        *[lambda: paper.shared.submit("break off") if paper.entered.wait(20) else None] * 4,
        lambda: paper.when(4, paper.let_go.set),
    )
    assert told[0] == "FIRST"
    # The leader gets the exception itself; the others learn that nothing was written.
    assert sorted(type(each).__name__ for each in told[1:5]) == [
        "KeyboardInterrupt",
        "StoreFailed",
        "StoreFailed",
        "StoreFailed",
    ]
    assert paper.shared.submit("later") == "LATER"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt the tests, also where they run in the background of a shell, which lets it be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_ctrl_c_in_a_waiting_thread_leaves_no_request_waiting(place: int) -> None:
    paper = Paper()
    told: list[Any] = []
    places = [each for each in range(3) if each != place]
    gone = threading.Event()

    def press_ctrl_c() -> None:
        while not gone.wait(0.5):  # once, unless it came slightly too early
            signal.pthread_kill(main, signal.SIGINT)

    def rest() -> None:
        told.extend(
            at_once(
                lambda: paper.shared.submit("first"),
                *[lambda each=each: paper.submit_as(each, "stays") for each in places],
                lambda: paper.when(3, press_ctrl_c),
                lambda: gone.wait(20) and paper.let_go.set(),
            )
        )

    main = threading.get_ident()
    others = threading.Thread(target=rest)
    others.start()
    with pytest.raises(KeyboardInterrupt):
        paper.submit_as(place, "gone")
    gone.set()
    others.join(20)
    assert told[:3] == ["FIRST", "STAYS", "STAYS"]
    assert sorted(paper.written) == ["first", "stays", "stays"]
    assert paper.shared.submit("later") == "LATER"
