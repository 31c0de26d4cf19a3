"""The cockpit's event loop: prompt beside threads that compute."""

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
from jobdeck_tui.terminal.event_loop import ANSWER, PromptLoop, PromptSelector, prompt_loop


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


def test_while_it_waits_others_give_way_quickly_and_while_it_works_they_wait() -> None:
    seen: list[float] = []
    loop, end = prompt_loop(), asyncio.Event()
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


def test_between_two_steps_it_does_not_look_for_input_again_and_again(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    with PromptSelector() as selector:
        selector.register(pipe[0], selectors.EVENT_READ)
        assert selector.select(0) == []
        os.write(pipe[1], b"x")
        assert selector.select(0) == []
        now += 2 * module.LOOK
        ((key, events),) = selector.select(0)
        assert (key.fd, events) == (pipe[0], selectors.EVENT_READ)
        assert selector.select(None)  # who waits looks at once


def test_input_is_heard_although_there_is_always_something_to_do(pipe: tuple[int, int]) -> None:
    loop = prompt_loop()
    heard = threading.Event()

    async def busy() -> None:
        loop.add_reader(pipe[0], heard.set)
        os.write(pipe[1], b"x")
        while not heard.is_set():
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(busy(), 10))
    loop.close()


def test_whatever_other_threads_ask_for_is_heard_and_so_are_signals() -> None:
    loop, heard = prompt_loop(), []
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


def test_at_rest_is_after_all_that_was_begun_and_before_what_waits_for_the_time() -> None:
    loop = PromptLoop()
    order: list[str] = []

    async def answer() -> None:
        for step in ("one", "two", "three"):
            await asyncio.sleep(0)
            order.append(step)

    async def act() -> None:
        over = asyncio.Event()
        loop.call_later(0.05, lambda: (order.append("later"), over.set()))
        loop.at_rest(lambda: order.append("at rest"))
        begun = loop.create_task(answer())
        await over.wait()
        await begun

    loop.run_until_complete(asyncio.wait_for(act(), 10))
    loop.close()
    assert order == ["one", "two", "three", "at rest", "later"]
