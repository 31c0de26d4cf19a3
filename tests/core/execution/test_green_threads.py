"""A process whose threads gevent or eventlet have replaced is refused in one sentence, in place of a worker that waits."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobdeck import ChildNotStarted, Queue, Settings, ThreadsReplaced, Worker

PATCHES = """
import sys, types
sys.modules["gevent.monkey"] = types.SimpleNamespace(is_module_patched=lambda part: part == "threading")
"""


@pytest.mark.parametrize(
    ("module", "call", "name"),
    [("gevent.monkey", "is_module_patched", "gevent"), ("eventlet.patcher", "is_monkey_patched", "eventlet")],
)
def test_a_worker_refuses_replaced_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, call: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{call: lambda part: True}))
    with Queue(tmp_path / "jobs.db") as queue:
        queue.enqueue("shell", {"command": ["true"]})
        with pytest.raises(ThreadsReplaced, match=f"^{name} has replaced the threads of this process"):
            Worker(queue).start()


def test_a_library_that_has_replaced_nothing_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gevent.monkey", SimpleNamespace(is_module_patched=lambda part: False))
    with Queue(tmp_path / "jobs.db") as queue, Worker(queue, threads=1):
        pass


def test_an_app_that_replaces_the_threads_of_child_processes_is_refused(tmp_path: Path) -> None:
    app = tmp_path / "patching_app.py"
    app.write_text(PATCHES)
    with (
        Queue(settings=Settings(database=str(tmp_path / "jobs.db"), app=(str(app),))) as queue,
        pytest.raises(ChildNotStarted, match="gevent has replaced the threads of this process"),
    ):
        Worker(queue, threads=1, processes=1).start()
