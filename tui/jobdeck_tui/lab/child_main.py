"""Runs a module in a process that dies with the lab that started it, however that ends.

`python -m jobdeck_tui.lab.child_main MODULE ARGUMENT …`: its standard input is a pipe from the lab that closes when
the lab ends, even by `kill -9`.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _die_with_parent() -> None:
    descriptor = os.dup(0)

    def wait() -> None:
        while os.read(descriptor, 1):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="lab-parent", daemon=True).start()


NICENESS = "LAB_NICENESS"
"""The environment variable by which a lab with a viewer keeps its processes from slowing the screen down."""

if __name__ == "__main__":
    _die_with_parent()
    os.nice(int(os.environ.get(NICENESS, "0")))
    module = sys.argv[1]
    sys.argv[:] = [module, *sys.argv[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
