"""The cockpit's event loop: responsive beside threads that compute."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import sys
import threading
from collections.abc import Iterator

import pytest
from tests.core.helpers import wait_until

from jobdeck import SWITCH_INTERVAL
from jobdeck_tui.terminal import event_loop as module
from jobdeck_tui.terminal.event_loop import ANSWER, ResponsiveLoop, ResponsiveSelector, responsive_loop


@pytest.fixture(autouse=True)
def _same_interval_afterwards() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_the_switch_interval_is_short_while_it_waits_and_long_while_it_works() -> None:
    seen: list[float] = []
    loop, end = responsive_loop(), asyncio.Event()
    waiting = threading.Thread(target=lambda: loop.run_until_complete(end.wait()), daemon=True)
    waiting.start()
    wait_until(lambda: sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL))
    loop.call_soon_threadsafe(lambda: seen.append(sys.getswitchinterval()))
    wait_until(lambda: seen)
    assert seen == [pytest.approx(ANSWER)]
    wait_until(lambda: sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL))
    loop.call_soon_threadsafe(end.set)
    waiting.join(10)
    loop.close()


def test_it_does_not_poll_for_input_between_every_two_steps(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    with ResponsiveSelector() as selector:
        selector.register(pipe[0], selectors.EVENT_READ)
        assert selector.select(0) == []
        os.write(pipe[1], b"x")
        assert selector.select(0) == []
        now += 2 * module.LOOK
        ((key, events),) = selector.select(0)
        assert (key.fd, events) == (pipe[0], selectors.EVENT_READ)
        assert selector.select(None)  # a wait polls immediately


def test_input_is_read_even_if_the_loop_always_has_work(pipe: tuple[int, int]) -> None:
    loop = responsive_loop()
    heard = threading.Event()

    async def busy() -> None:
        loop.add_reader(pipe[0], heard.set)
        os.write(pipe[1], b"x")
        while not heard.is_set():
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(busy(), 10))
    loop.close()


def test_calls_from_other_threads_and_signals_all_arrive() -> None:
    loop, heard = responsive_loop(), []
    asked = 200

    async def listen() -> None:
        done = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, lambda: heard.append("signal"))

        def hear(what: int) -> None:
            heard.append(what)
            if what == asked - 1:
                os.kill(os.getpid(), signal.SIGUSR1)

        def ask() -> None:
            for what in range(asked):
                loop.call_soon_threadsafe(hear, what)

        asking = threading.Thread(target=ask)
        asking.start()
        while "signal" not in heard:
            done.clear()
            loop.call_later(0.001, done.set)
            await done.wait()
        asking.join()
        loop.remove_signal_handler(signal.SIGUSR1)

    loop.run_until_complete(asyncio.wait_for(listen(), 10))
    loop.close()
    assert heard == [*range(asked), "signal"]


def test_idle_comes_after_all_started_work_and_before_timers() -> None:
    loop = ResponsiveLoop()
    order: list[str] = []

    async def answer() -> None:
        for step in ("one", "two", "three"):
            await asyncio.sleep(0)
            order.append(step)

    async def act() -> None:
        over = asyncio.Event()
        loop.call_later(0.05, lambda: (order.append("later"), over.set()))
        loop.call_when_idle(lambda: order.append("at rest"))
        task = loop.create_task(answer())
        await over.wait()
        await task

    loop.run_until_complete(asyncio.wait_for(act(), 10))
    loop.close()
    assert order == ["one", "two", "three", "at rest", "later"]
