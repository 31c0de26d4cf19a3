"""Starting processes while other threads fork."""

from __future__ import annotations

import os
import signal
import threading

from jobdeck.execution.process_group import start_process


def test_a_command_starts_at_once_although_another_thread_forks_children_that_live_long() -> None:
    children: list[int] = []
    stop = threading.Event()

    def fork() -> None:
        while not stop.is_set() and len(children) < 60:
            if (pid := os.fork()) == 0:
                signal.pause()
                os._exit(0)
            children.append(pid)

    thread = threading.Thread(target=fork)
    thread.start()
    started: list[float] = []
    starter = threading.Thread(target=lambda: [started.append(start_process(["true"]).wait()) for _ in range(10)], daemon=True)
    starter.start()
    try:
        starter.join(20)  # a start that hangs would hang until the children end
        assert started == [0] * 10
    finally:
        stop.set()
        thread.join()
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
