from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType

import pytest

# Whoever starts the tests with nohup, or in the background of a script, ignores these signals, and so would every process that
# they start.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings, or the queue, of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("JOBDECK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def _interpreter_as_started() -> Iterator[None]:
    """No test finds the interpreter as a command has set it for its own process: how long a thread may run, when to collect."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


@pytest.fixture(autouse=True)
def _forget_programs_in_temporary_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules that a test wrote and loaded, and their kinds: each test stands for a program of its own."""
    before = set(sys.modules)
    yield
    folder = tmp_path_factory.getbasetemp().resolve()
    for name in set(sys.modules) - before:
        if _is_in(folder, sys.modules[name]):
            del sys.modules[name]
    if (registry := sys.modules.get("jobdeck.kinds.registry")) is not None:
        known = registry.REGISTRY
        for kind, where in [*known._definitions.items()]:
            if where.file and Path(where.file).is_relative_to(folder) and where.module not in sys.modules:
                del known._entries[kind], known._definitions[kind]


def _is_in(folder: Path, module: ModuleType | None) -> bool:
    known = getattr(module, "__dict__", {})  # `None` stands for a module whose import is forbidden
    places = [known.get("__file__"), *known.get("__path__", ())]
    return any(place and Path(place).resolve().is_relative_to(folder) for place in places)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make captured text sendable: the processes that run tests send reports as UTF-8, and hostile handlers log surrogates."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
