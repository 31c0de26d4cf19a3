"""An app whose child processes die as soon as they are ready, before they run any job."""

from __future__ import annotations

import os
import sys

from jobdeck import job

if "child_main" in sys.argv[0]:
    sys.modules["__main__"].ChildRunner.run = lambda _: os._exit(9)


@job(name="dying.thread", max_attempts=1)
def dying_thread() -> None:
    pass


@job(name="dying.isolated", max_attempts=1, isolate=True)
def dying_isolated() -> None:
    pass
