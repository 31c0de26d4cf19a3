"""A program that does not trace imports nothing of OpenTelemetry, whatever it does with jobs; a broken package stops none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
{before}
from jobdeck import Queue, Worker, job

@job(name="work")
def work() -> int:
    return 7

with Queue("jobs.db") as queue:
    queue.enqueue_bulk("work", [{{}}])
    stored = queue.enqueue("work", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    with Worker(queue, threads=1):
        print(queue.wait(stored.id, timeout=20, every=0.01).result)
print(*sorted(name for name in sys.modules if name.startswith("opentelemetry") or name == "jobdeck.tracing.spans"))
"""


def _run(folder: Path, before: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_enqueueing_and_working_import_nothing_of_it(tmp_path: Path) -> None:
    assert _run(tmp_path, "") == ["7", ""]


def test_a_package_that_cannot_be_used_stops_no_job(tmp_path: Path) -> None:
    broken = "import types; sys.modules['opentelemetry'] = sys.modules['opentelemetry.trace'] = types.ModuleType('x')"
    assert _run(tmp_path, broken)[0] == "7"
