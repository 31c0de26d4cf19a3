"""A container opens the file of a worker on the machine: it must not take the worker's running jobs for abandoned."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import wait_until

from jobdeck import Queue, Settings, State

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the namespaces of Linux")
LEASE = 2.0
OTHER_BOOT = "echo 5a63cbb2-7f6e-4a8c-9d43-0c8c6ba0c1de > boot && mount --bind boot /proc/sys/kernel/random/boot_id && exec "
CONTAINERS = {
    "boot": (["--mount"], OTHER_BOOT),
    "clock ahead": (["--time", "--monotonic", "1000000", "--boottime", "1000000", "--fork", "--kill-child"], "exec "),
    "boot and clock": (
        ["--mount", "--time", "--monotonic", "1000000", "--boottime", "1000000", "--fork", "--kill-child"],
        OTHER_BOOT,
    ),
}
WORKER = "from jobdeck_tui.cli import main; main()"


def in_container(name: str, command: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a shell command in new namespaces."""
    options, prepare = CONTAINERS[name]
    return subprocess.Popen(
        ["unshare", *options, "sh", "-c", prepare + command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setenv("JOBDECK_LEASE", str(LEASE))
    monkeypatch.setenv("JOBDECK_DATABASE", str(tmp_path / "jobs.db"))
    with Queue(settings=Settings.load()) as opened:
        yield opened


@pytest.mark.soak  # ten seconds each; the mechanism itself is tested in store/test_boots.py
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_leaves_the_running_jobs_of_the_machine_alone(name: str, queue: Queue, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or in_container(name, "true", tmp_path).wait() != 0:
        pytest.skip("this user cannot create namespaces")
    job = queue.enqueue("shell", {"command": ["sh", "-c", "echo x >> starts; sleep 20"]})
    command = f'{sys.executable} -c "{WORKER}"'
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, "worker"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    other = None
    try:
        wait_until((tmp_path / "starts").exists, timeout=20)
        other = in_container(name, f"{command} worker", tmp_path)
        wait_until(lambda: len(queue.workers.list()) == 2, timeout=20)
        until = time.monotonic() + 1.5 * LEASE
        while time.monotonic() < until:
            found = queue.get(job.id)
            assert (found.state, found.crashes) == (State.RUNNING, 0)
            assert [each.alive for each in queue.workers.list()] == [True, True]
            time.sleep(0.05)
        assert (tmp_path / "starts").read_text() == "x\n"
        worker.kill()  # and once it is dead, the container's worker does take over
        wait_until(lambda: (tmp_path / "starts").read_text() == "x\nx\n", timeout=20)
    finally:
        for process in (worker, other):
            if process is not None:
                process.kill()
                process.wait()
