"""Cyclic garbage is collected late while a command starts, and regularly in a service and in the cockpit."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from jobdeck_tui.collection import collect_regularly, defer_collection, skip_last_collection


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_service_collects_its_own_garbage_but_never_looks_at_what_its_start_made() -> None:
    defer_collection()
    assert gc.isenabled()
    late = gc.get_threshold()
    collect_regularly()
    assert gc.get_threshold() < late
    assert gc.get_freeze_count() > 0


def test_a_program_that_runs_commands_keeps_its_own_way_of_collecting() -> None:
    gc.set_threshold(500, 5, 5)
    before = gc.get_freeze_count()
    collect_regularly()
    skip_last_collection()
    assert gc.get_threshold() == (500, 5, 5)
    assert gc.get_freeze_count() == before
