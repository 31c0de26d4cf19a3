"""Process-wide changes by a job are restored in a process that runs nothing but jobs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jobdeck import Queue, Registry, Settings, Worker, load_apps
from jobdeck.execution.process_state import ProcessState
from jobdeck.kinds.registry import REGISTRY

SETTINGS_KINDS = Path(__file__).parents[1] / "settings_kinds.py"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the settings of the test run, whatever is tested."""
    state = ProcessState()
    yield
    state.restore()


@pytest.mark.parametrize(("kind", "processes"), [("settings.thread", 0), ("settings.isolated", 0), ("settings.thread", 1)])
def test_the_next_job_finds_the_settings_that_the_first_one_found(tmp_path: Path, kind: str, processes: int) -> None:
    load_apps([str(SETTINGS_KINDS)])
    module = sys.modules[SETTINGS_KINDS.stem].__name__
    kinds = Registry(REGISTRY.get(kind) for kind in REGISTRY.kinds if REGISTRY.get(kind).handler.__module__ == module)
    settings = Settings(database=str(tmp_path / "jobs.db"), app=(str(SETTINGS_KINDS),), synchronous="OFF")
    with Queue(settings=settings, registry=kinds) as queue:
        made = [queue.enqueue(kind) for _ in range(3)]
        with Worker(queue, threads=1, processes=processes, own_process=True):
            first, *others = [queue.wait(each.id, timeout=30, every=0.01).result for each in made]
    assert first is not None
    assert others == [first, first]


def test_a_program_that_runs_a_worker_beside_its_own_work_keeps_its_settings(tmp_path: Path) -> None:
    kinds = Registry()
    load_apps([str(SETTINGS_KINDS)])
    kinds.add(REGISTRY.get("settings.thread"))
    with Queue(settings=Settings(database=str(tmp_path / "jobs.db"), synchronous="OFF"), registry=kinds) as queue:
        made = [queue.enqueue("settings.thread") for _ in range(2)]
        with Worker(queue, threads=1):
            _, second = [queue.wait(each.id, timeout=30, every=0.01).result for each in made]
    assert second is not None
    assert second["folder"] == "/"


def test_a_function_that_a_job_has_deleted_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    state = ProcessState()
    monkeypatch.delattr(json, "dumps")
    monkeypatch.setattr(time, "sleep", None)
    state.restore()
    assert json.dumps([1]) == "[1]"
    assert callable(time.sleep)


def test_a_module_that_a_job_has_closed_to_changes_keeps_no_other_from_being_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(ModuleType):
        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

    state = ProcessState()
    monkeypatch.delattr(json, "dumps")
    monkeypatch.setattr(time, "sleep", None)
    closed, json.__class__ = json.__class__, Closed
    try:
        state.restore()
    finally:
        ModuleType.__setattr__(json, "__class__", closed)
    assert callable(time.sleep)
