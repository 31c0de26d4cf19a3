"""The buffer of a log: full until its entries are stored, and never larger than what the store keeps."""

from __future__ import annotations

import threading

import pytest
from tests.core.helpers import FakeClock

from jobdeck.execution.log_buffer import LOG_BUFFER_BYTES, MAX_LOG_BYTES, LogBuffer, join_pieces

HALF = "." * (LOG_BUFFER_BYTES // 2)


@pytest.fixture
def buffer() -> LogBuffer:
    return LogBuffer(FakeClock())


def size(buffer: LogBuffer) -> int:
    return sum(len(text) for _, _, text in buffer.drain())


def test_a_buffer_is_full_until_its_entries_are_stored_even_while_they_are_being_stored(buffer: LogBuffer) -> None:
    buffer.add("out", HALF)
    assert not buffer.is_full
    buffer.add("out", HALF)
    lines = buffer.drain()
    assert buffer.is_full
    buffer.restore(lines)
    assert buffer.is_full
    assert buffer.drain() == lines
    buffer.confirm()
    assert not buffer.is_full


def test_code_that_waits_for_room_continues_when_the_entries_are_stored(buffer: LogBuffer) -> None:
    buffer.add("out", HALF + HALF)
    asked, continued = threading.Event(), threading.Event()

    def wait() -> None:
        buffer.wait_for_room(lambda: False, asked.set, 20)
        continued.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert asked.wait(10)
    buffer.drain()
    assert not continued.is_set()
    buffer.confirm()
    thread.join(10)
    assert continued.is_set()


def test_code_that_must_stop_does_not_wait(buffer: LogBuffer) -> None:
    buffer.add("out", HALF + HALF)
    buffer.wait_for_room(lambda: True, lambda: pytest.fail("waits"), 20)


def test_entries_that_can_never_be_stored_are_dropped_and_nobody_waits(buffer: LogBuffer) -> None:
    called = threading.Event()
    buffer.on_room = called.set
    buffer.add("out", HALF + HALF)
    buffer.discard()
    buffer.add("out", HALF + HALF)
    buffer.restore([(0.0, "out", HALF + HALF)])
    assert called.is_set()
    assert not buffer.is_full
    assert buffer.drain() == []


@pytest.mark.parametrize("character", ["x", "ö", "\U0001f600"])
def test_the_buffer_keeps_the_newest_bytes_that_the_store_keeps(buffer: LogBuffer, character: str) -> None:
    for _ in range(12):
        buffer.add("out", character * (LOG_BUFFER_BYTES // len(character.encode())))
    buffer.add("out", "last")
    lines = buffer.drain()
    kept = sum(len(text.encode()) for _, _, text in lines)
    assert MAX_LOG_BYTES - LOG_BUFFER_BYTES < kept <= MAX_LOG_BYTES
    assert lines[-1][2] == "last"


@pytest.mark.parametrize("text", ["x" * 2_000_000, ("y" * 70 + "\n") * 20_000, "\n" * 600_000, "ö" * 600_000 + "\n", ""])
def test_a_long_text_is_stored_in_pieces_that_make_the_same_text(buffer: LogBuffer, text: str) -> None:
    buffer.add("out", text)
    buffer.add("err", "other")
    lines = buffer.drain()
    assert max(len(piece) for _, _, piece in lines) <= 1 << 18
    printed = "".join(piece + ("" if level.endswith("…") else "\n") for _, level, piece in lines if level != "err")
    assert printed == text + "\n"
    *joined, other = join_pieces(lines)
    assert "\n".join(piece for _, piece in joined) == text
    assert other == ("err", "other")
