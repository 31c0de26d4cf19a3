"""Run the command line in tests: in this process for speed, or as a separate process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from jobdeck import FINAL, Queue, Worker
from jobdeck_tui.cli import cli

TASKS = '''
"""Kinds of a user."""
from pathlib import Path
from typing import Annotated, Literal

from jobdeck import context, job


@job(queue="mail", max_attempts=2)
def send(to: str, count: int = 1, mode: Literal["plain", "html"] = "plain", attach: Path | None = None) -> dict[str, object]:
    """Send a mail.

    Not really.
    """
    context().log.info("sending to %s", to)
    return {"to": to, "count": count}


@job(priority=3)
def add(numbers: Annotated[list[int], "what to add"], exact: bool = True) -> int:
    return sum(numbers)


@job(max_attempts=1)
def boom(text: str) -> None:
    raise ValueError(text)


@job(max_attempts=1)
def nap(seconds: float) -> None:
    context().sleep(seconds)
'''


@dataclass
class CommandLine:
    """Run `jobdeck` commands on a queue in a folder."""

    folder: Path
    address: str = ""
    """The database URL of the queue, if it is not in the folder."""

    @property
    def database(self) -> Path:
        return self.folder / "jobs.db"

    @property
    def where(self) -> str:
        """Return the value for --db."""
        return self.address or str(self.database)

    def __call__(self, *args: str | int, input: str | bytes | None = None, env: Mapping[str, str] | None = None) -> Result:
        """Run a command line in this process."""
        words = ["--db", self.where, *map(str, args)]
        return CliRunner().invoke(cli, words, input=input, env=env)

    def done(self, *args: str | int, **more: Any) -> str:
        """Run a command line that must succeed, and return its output."""
        result = self(*args, **more)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *args: str | int, **more: Any) -> list[Any]:
        """Run a command line with --json, and return its documents."""
        return [json.loads(line) for line in self.done(*args, "--json", **more).splitlines()]

    def tasks(self) -> str:
        """Write the user's module, and return the value for --app."""
        path = self.folder / "tasks.py"
        path.write_text(TASKS)
        return str(path)

    def queue(self) -> Queue:
        """Open the queue, to inspect or prepare it."""
        return Queue(self.where)

    def work(self, *ids: int) -> None:
        """Run jobs in this process until the given ones, or all, are final."""
        with self.queue() as queue, Worker(queue, threads=2):
            wanted = ids or [*queue.ids()]
            eventually(lambda: all(job.state in FINAL for job in queue.get_many(wanted)))

    def start(
        self, *args: str | int, env: Mapping[str, str] | None = None, hangup: Any = signal.SIG_DFL, **more: Any
    ) -> subprocess.Popen[str]:
        """Start a command line as a separate process, with SIGHUP as a terminal or nohup (`hangup=SIG_IGN`) would set it."""
        return subprocess.Popen(
            command("--db", self.where, *map(str, args)),
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(signal.signal, signal.SIGHUP, hangup),
            **more,
        )


def command(*args: str) -> list[str]:
    """Return the `jobdeck` command with these arguments, even if its script is not on the path."""
    return [sys.executable, "-c", "from jobdeck_tui.cli import main; main()", *args]


def eventually(holds: Callable[[], object], *, within: float = 20.0) -> None:
    """Wait until the condition holds; fail if it does not in time."""
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "the condition did not hold in time"
        time.sleep(0.01)
