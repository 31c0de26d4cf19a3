"""Coroutines enqueue jobs without blocking their event loop, and share commits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest
from tests.core.helpers import registry

from jobdeck import Job, JobNotFound, NewJob, OnConflict, Queue, StoreFailed, UniqueKeyConflict
from jobdeck.tracing.carried import carried_trace


def send_mail(to: str) -> None: ...


KINDS = registry(**{"mail.send": send_mail})


@pytest.fixture
def queue(address: str) -> Iterator[Queue]:
    with Queue(address, registry=KINDS) as queue:
        yield queue


class Held:
    """Holds the writes of a queue until it is opened, and notes how many jobs each of them has."""

    def __init__(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened, self.entered = threading.Event(), threading.Event()
        self.writes: list[int] = []
        enqueue = queue.store.enqueuer.enqueue

        def held(jobs: Sequence[NewJob]) -> list[Job]:
            self.writes.append(len(jobs))
            self.entered.set()
            assert self.opened.wait(20)
            return enqueue(jobs)

        monkeypatch.setattr(queue.store.enqueuer, "enqueue", held)

    async def wait_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 20)


def test_a_coroutine_enqueues_a_job_and_gets_it(queue: Queue) -> None:
    job = asyncio.run(queue.aenqueue(send_mail, {"to": "ann@example.org"}, priority=3))

    assert queue.get(job.id) == job
    assert (job.kind, job.priority) == ("mail.send", 3)


def test_coroutines_that_enqueue_meanwhile_share_a_commit(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(queue, monkeypatch)

    async def enqueue() -> list[Job]:
        first = asyncio.create_task(queue.aenqueue(send_mail, {"to": "0"}))
        await held.wait_entered()
        others = [asyncio.create_task(queue.aenqueue(send_mail, {"to": str(n)})) for n in range(1, 30)]
        await asyncio.sleep(0)  # the loop is free, and each of them waits now
        held.opened.set()
        return await asyncio.gather(first, *others)

    jobs = asyncio.run(enqueue())

    assert [queue.get(job.id).args for job in jobs] == [{"to": str(n)} for n in range(30)]
    assert held.writes == [1, 29]


def test_a_refusal_is_raised_where_it_belongs_and_stops_no_other(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(queue, monkeypatch)

    async def enqueue() -> list[Job | BaseException]:
        first = asyncio.create_task(queue.aenqueue(send_mail, {"to": "0"}, unique="taken"))
        await held.wait_entered()
        held.opened.set()
        return await asyncio.gather(
            first,
            queue.aenqueue(send_mail, {"to": "1"}, unique="taken", on_conflict=OnConflict.REFUSE),
            queue.aenqueue(send_mail, {"to": "2"}, after=[10**9]),
            queue.aenqueue(send_mail, {"to": "3"}),
            queue.aenqueue(send_mail, {"to": "4"}, unique="taken"),
            return_exceptions=True,
        )

    first, taken, missing, other, holder = asyncio.run(enqueue())

    assert isinstance(taken, UniqueKeyConflict)
    assert isinstance(missing, JobNotFound)
    assert isinstance(first, Job)
    assert isinstance(other, Job)
    assert isinstance(holder, Job)
    assert holder.id == first.id
    assert [job.args["to"] for job in queue.list("", descending=False)] == ["0", "3"]


def test_several_jobs_are_enqueued_together_or_not_at_all(queue: Queue) -> None:
    async def enqueue() -> None:
        good = [queue.new_job(send_mail, {"to": str(n)}) for n in range(3)]
        assert [job.args["to"] for job in await queue.aenqueue_many(good)] == ["0", "1", "2"]
        assert await queue.aenqueue_many([]) == []
        with pytest.raises(JobNotFound):
            await queue.aenqueue_many([good[0], queue.new_job(send_mail, {"to": "x"}, after=[10**9])])

    asyncio.run(enqueue())

    assert queue.count() == 3


def test_a_cancelled_coroutine_keeps_no_other_from_its_job(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(queue, monkeypatch)

    async def enqueue() -> Job:
        first = asyncio.create_task(queue.aenqueue(send_mail, {"to": "first"}))
        await held.wait_entered()
        second = asyncio.create_task(queue.aenqueue(send_mail, {"to": "second"}))
        third = asyncio.create_task(queue.aenqueue(send_mail, {"to": "third"}))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        held.opened.set()
        return await third

    asyncio.run(enqueue())

    # The first one was being written already; the second one was not, and never is.
    assert {job.args["to"] for job in queue.list()} == {"first", "third"}


def test_inside_a_transaction_the_job_is_a_part_of_it(queue: Queue) -> None:
    async def enqueue() -> None:
        with queue.transaction():
            await queue.aenqueue(send_mail, {"to": "nobody"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(enqueue())

    assert queue.count() == 0


def test_each_loop_gets_its_own_jobs(queue: Queue) -> None:
    found: dict[str, list[str]] = {}

    async def enqueue(name: str) -> None:
        jobs = await asyncio.gather(*(queue.aenqueue(send_mail, {"to": f"{name}{n}"}) for n in range(20)))
        found[name] = [job.args["to"] for job in jobs]

    threads = [threading.Thread(target=asyncio.run, args=(enqueue(name),)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert found == {name: [f"{name}{n}" for n in range(20)] for name in "ab"}


def test_a_close_waits_for_the_jobs_that_are_being_written(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(address, registry=KINDS)
    held = Held(queue, monkeypatch)

    async def enqueue() -> None:
        waiting = asyncio.gather(*(queue.aenqueue(send_mail, {"to": str(n)}) for n in range(3)))
        await held.wait_entered()
        threading.Timer(0.01, held.opened.set).start()
        queue.close()
        await waiting
        with pytest.raises(StoreFailed, match="closed"):
            await queue.aenqueue(send_mail, {"to": "late"})

    asyncio.run(enqueue())

    with Queue(address, registry=KINDS) as again:
        assert again.count() == 3


def test_a_job_carries_the_trace_of_the_coroutine_that_enqueued_it(queue: Queue) -> None:
    traces = [f"00-{n:032x}-{n:016x}-01" for n in (1, 2)]

    async def enqueue(trace: str) -> Job:
        carried_trace.set(trace)
        return await queue.aenqueue(send_mail, {"to": "ann@example.org"})

    async def both() -> list[Job]:
        return await asyncio.gather(*map(enqueue, traces))

    assert [job.trace for job in asyncio.run(both())] == traces
