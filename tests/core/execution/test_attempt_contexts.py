"""Jobs that share a thread, an event loop or a child process do not see what the others set in their context."""

from __future__ import annotations

import sys
from contextvars import copy_context
from pathlib import Path

import pytest

from jobdeck import Queue, Registry, Settings, Worker, load_apps
from jobdeck.kinds.registry import REGISTRY

CONTEXT_KINDS = Path(__file__).parents[1] / "context_kinds.py"
EXPECTED = ["set by the module", "nothing", 9, False]


def results(tmp_path: Path, kind: str, processes: int) -> list[object]:
    load_apps([str(CONTEXT_KINDS)])
    module = sys.modules[CONTEXT_KINDS.stem].__name__
    kinds = Registry(REGISTRY.get(kind) for kind in REGISTRY.kinds if REGISTRY.get(kind).handler.__module__ == module)
    settings = Settings(database=str(tmp_path / "jobs.db"), app=(str(CONTEXT_KINDS),), synchronous="OFF")
    with Queue(settings=settings, registry=kinds) as queue:
        made = [queue.enqueue(kind) for _ in range(4)]
        with Worker(queue, threads=1, processes=processes):
            return [queue.wait(each.id, timeout=30, every=0.01).result for each in made]


@pytest.mark.parametrize(
    ("kind", "processes"),
    [("context.thread", 0), ("context.async", 0), ("context.isolated", 0), ("context.thread", 1), ("context.async", 1)],
)
def test_each_attempt_starts_with_what_the_modules_set(tmp_path: Path, kind: str, processes: int) -> None:
    sys.modules.pop(CONTEXT_KINDS.stem, None)
    found = copy_context().run(results, tmp_path, kind, processes)
    assert found == [EXPECTED] * 4


@pytest.mark.parametrize(("kind", "processes"), [("context.loop", 0), ("context.loop", 1)])
def test_an_event_loop_that_a_job_leaves_closed_is_not_given_to_the_next(tmp_path: Path, kind: str, processes: int) -> None:
    assert results(tmp_path, kind, processes) == ["fresh"] * 4
