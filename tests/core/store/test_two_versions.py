"""Processes of two versions of jobdeck beside each other, while a new version is deployed."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench

from jobdeck import State, StoreRefused
from jobdeck.model.attempt_result import Completed, Failed

NEXT = (
    "ALTER TABLE jobdeck_jobs ADD COLUMN next text NOT NULL DEFAULT 'x'",
    "ALTER TABLE jobdeck_attempts ADD COLUMN next text",
    "ALTER TABLE jobdeck_workers ADD COLUMN next text",
    "CREATE TABLE jobdeck_next (id integer PRIMARY KEY)",
    "UPDATE jobdeck_meta SET value = '999' WHERE key = 'schema'",
)
"""A migration of the next version: it only adds, as the guide promises."""


def test_a_running_process_goes_on_when_the_next_version_migrates_and_a_new_one_is_refused(bench: Bench) -> None:
    bench.enqueue()
    (running,) = bench.claim(1)
    for statement in NEXT:
        bench.change(statement)
    store, now = bench.store, bench.clock.now()
    assert store.transitions.heartbeat([(running.id, running.lease or 0)], 30.0).lost == frozenset()
    assert store.completer.complete([Completed(running, now, now)]) == []
    (later,) = bench.enqueue()
    (claimed,) = bench.claim(1)
    assert claimed.id == later.id
    assert store.completer.fail([Failed(claimed, now, now, None, "ValueError", "no")]) == []
    assert (bench.get(running).state, bench.get(later).state) == (State.COMPLETED, State.FAILED)
    assert store.jobs.retry([later.id]).done == (later.id,)
    assert store.jobs.delete([running.id]).done == (running.id,)
    assert store.journal.undo().done
    bench.check_counters()
    with pytest.raises(StoreRefused, match="was written by a newer jobdeck"):
        bench.open_again()
