"""A handler that replaces the functions of `json`, as mocks do, breaks no other job."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from tests.core.helpers import wait_until

from jobdeck import Queue, Registry, State, Worker, job


def _refuse(*_: Any, **__: Any) -> Any:
    raise RuntimeError("json is a mock")


def test_jobs_are_claimed_recorded_and_enqueued_while_a_handler_has_replaced_json(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = Registry()
    patched, release = threading.Event(), threading.Event()

    @job(name="mocks", registry=kinds)
    def mocks() -> None:
        monkeypatch.setattr(json, "dumps", _refuse)
        monkeypatch.setattr(json, "loads", _refuse)
        patched.set()
        release.wait(20)

    @job(name="innocent", registry=kinds)
    def innocent(words: list[str]) -> dict[str, list[str]]:
        return {"words": words}

    with Queue(address, registry=kinds) as queue:
        with Worker(queue, threads=2):
            mock = queue.enqueue("mocks")
            assert patched.wait(20)
            others = [queue.enqueue("innocent", {"words": [str(n)]}, tags=["a", "b"]) for n in range(20)]
            try:
                wait_until(lambda: {queue.get(each.id).state for each in others} == {State.COMPLETED})
            finally:
                release.set()
                wait_until(lambda: queue.get(mock.id).state is State.COMPLETED)
                monkeypatch.undo()
        assert [queue.get(each.id).result for each in others] == [{"words": [str(n)]} for n in range(20)]
    assert "bug in jobdeck" not in caplog.text
