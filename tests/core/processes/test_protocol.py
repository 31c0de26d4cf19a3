"""The messages between a worker and its child processes arrive as sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jobdeck import Job, Outcome, State
from jobdeck.model.attempt_result import AttemptResult, Cancelled, Completed, Failed, Released, Snoozed
from jobdeck.processes.protocol import (
    LineBuffer,
    decode_job,
    decode_result,
    encode_job,
    encode_result,
    pack,
    split_utf8,
    unpack,
)

JOB = Job(
    id=7,
    kind="mail.send",
    args_json='{"to": "ann"}',
    queue="mail",
    priority=3,
    state=State.RUNNING,
    attempt=2,
    max_attempts=5,
    created_at=1.25,
    scheduled_at=2.5,
    started_at=3.75,
    timeout=60.0,
    tags=("a", "b"),
    crashes=1,
    lease=2**62,
    worker="w1",
)


def sent(message: list[object]) -> list[object]:
    (received,) = unpack(LineBuffer().feed(pack(message)))
    return received


def test_a_job_arrives_complete_except_for_its_lease_and_worker() -> None:
    assert decode_job(sent(encode_job(3, JOB))) == (3, replace(JOB, lease=None, worker=None))


text = some.text(some.characters(), max_size=30)  # lone surrogates and control characters too
at = some.floats(0, 4e9)
endings = some.one_of(
    some.builds(Completed, some.just(JOB), at, at, some.none() | text),
    some.builds(Failed, some.just(JOB), at, at, some.none() | at, text, text, some.none() | text, some.sampled_from(Outcome)),
    some.builds(Snoozed, some.just(JOB), at, at, at),
    some.builds(Released, some.just(JOB), at, at),
    some.builds(Cancelled, some.just(JOB), at, at),
)


@given(endings)
def test_a_result_arrives_complete_and_with_the_lease_that_was_never_sent(ending: AttemptResult) -> None:
    row = sent(encode_result(1, ending))
    arrived = decode_result(row, JOB)
    assert (arrived, type(arrived)) == (ending, type(ending))
    assert str(JOB.lease) not in str(row)
    if isinstance(arrived, Failed):
        assert isinstance(arrived.outcome, Outcome)


@given(some.lists(some.lists(text, min_size=1)), some.lists(some.integers(1, 9)))
def test_messages_arrive_complete_however_they_are_split(messages: list[list[str]], cuts: list[int]) -> None:
    data, lines, received = b"".join(map(pack, messages)), LineBuffer(), []
    for cut in cuts:
        received += unpack(lines.feed(data[:cut]))
        data = data[cut:]
    received += unpack(lines.feed(data))
    assert received == messages
    assert lines.rest() == b""


@pytest.mark.parametrize("line", [b"hello", b"{}", b"[]", b"\xff[1]", b"7"])
def test_an_invalid_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        list(unpack([line]))


@pytest.mark.parametrize("text", ["abc", "aö", "a€", "a\U0001f600"])
def test_data_is_split_before_a_character_that_is_incomplete(text: str) -> None:
    data = text.encode()
    assert split_utf8(data) == (data, b"")
    for size in range(1, len(data)):
        whole, rest = split_utf8(data[:size])
        assert whole + rest == data[:size]
        assert text.startswith(whole.decode())
        assert len(rest) < 4
