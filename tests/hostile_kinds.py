"""Handlers that do to their process what handlers should not do, each registered to run in a thread, on the loop and isolated.

Every process of a worker imports this file. `EXITS` names those that necessarily end the process that they run in.
"""

from __future__ import annotations

import asyncio
import atexit
import builtins
import contextlib
import ctypes
import decimal
import faulthandler
import gc
import io
import json
import locale
import logging
import logging.config
import multiprocessing
import os
import random
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobdeck import GiveUp, Snooze, Stopped, context, job

HANDLERS: dict[str, Callable[[], Any]] = {}
EXITS: set[str] = set()
"""End the process that runs them: in a thread, the worker itself."""
FORKS: set[str] = set()
"""Leave the handler in a forked child."""


def hostile(function: Callable[[], Any], *, exits: bool = False, forks: bool = False) -> Callable[[], Any]:
    """Register a handler."""
    name = function.__name__.rstrip("_")
    HANDLERS[name] = function
    if exits:
        EXITS.add(name)
    if forks:
        FORKS.add(name)
    return function


def exits(function: Callable[[], Any]) -> Callable[[], Any]:
    return hostile(function, exits=True)


def forks(function: Callable[[], Any]) -> Callable[[], Any]:
    return hostile(function, forks=True)


def refuse(*_: Any, **__: Any) -> Any:
    raise RuntimeError("hostile")


# -- exits and signals ---------------------------------------------------------------------------------


@hostile
def sys_exit() -> None:
    sys.exit(3)


@hostile
def keyboard_interrupt() -> None:
    raise KeyboardInterrupt


@exits
def os_exit() -> None:
    os._exit(0)


@exits
def os_abort() -> None:
    os.abort()


@exits
def segfault() -> None:
    ctypes.string_at(0)


@exits
def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(5)


@exits
def kill_its_group() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@exits
def terminate_itself() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.3)


@exits
def interrupt_itself() -> None:
    signal.raise_signal(signal.SIGINT)
    time.sleep(0.3)


@exits
def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(0.3)


@exits
def alarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(0.3)


@exits
def user_signal() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.3)


@hostile
def stop_and_continue() -> None:
    subprocess.Popen(["sh", "-c", f"kill -STOP {os.getpid()}; sleep 0.3; kill -CONT {os.getpid()}"]).wait()


@hostile
def ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)


@hostile
def block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})


@hostile
def wakeup_fd() -> None:
    signal.set_wakeup_fd(-1)


@exits
def stack_overflow() -> None:
    sys.setrecursionlimit(10**9)

    class Deep:
        def __getattr__(self, name: str) -> Any:
            return getattr(self, name + "x")

    Deep().x  # noqa: B018


@hostile
def exit_handler() -> None:
    atexit.register(refuse)


@hostile
def stopped_without_a_request() -> None:
    raise Stopped


# -- exceptions ----------------------------------------------------------------------------------------


@hostile
def snooze_oddly() -> None:
    error = Snooze(1)
    error.seconds = float("nan")
    raise error


@hostile
def give_up_oddly() -> None:
    raise GiveUp(object())  # type: ignore[arg-type]


@hostile
def unreadable() -> None:
    class Odd(BaseException):
        __str__ = __repr__ = __getattribute__ = refuse

    raise Odd


@hostile
def lying_class() -> None:
    class Odd(Exception):
        __class__ = property(refuse)  # type: ignore[assignment]

    raise Odd


@hostile
def long_chain() -> None:
    error = ValueError()
    for _ in range(20_000):
        following = ValueError()
        following.__context__ = error
        error = following
    raise error


@hostile
def cycle() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    raise one


@hostile
def deep_recursion() -> int:
    return deep_recursion() + 1


@hostile
def huge_message() -> None:
    raise ValueError("x" * 20_000_000)


@hostile
def control_characters() -> None:
    raise ValueError("\x1b]0;title\x07\x1b[2J\0\ud800")


@hostile
def group() -> None:
    raise BaseExceptionGroup("all", [SystemExit(), KeyboardInterrupt(), GeneratorExit()])


@hostile
def memory_error() -> None:
    raise MemoryError


# -- results and output --------------------------------------------------------------------------------


@hostile
def huge_result() -> str:
    return "x" * 20_000_000


@hostile
def deep_result() -> Any:
    result: list[Any] = []
    for _ in range(100_000):
        result = [result]
    return result


@hostile
def circular_result() -> Any:
    result: list[Any] = []
    result.append(result)
    return result


@hostile
def exiting_result() -> Any:
    class Odd(dict[str, int]):
        def items(self) -> Any:
            raise SystemExit

    return Odd(a=1)


@hostile
def nan_result() -> float:
    return float("nan")


@hostile
def class_result() -> Any:
    return type


@hostile
def much_output() -> None:
    for _ in range(20_000):
        print("x" * 100)


@hostile
def much_log() -> None:
    for number in range(20_000):
        logging.getLogger("loud").error("line %d", number)


@hostile
def binary_output() -> None:
    with contextlib.suppress(OSError):
        os.write(1, os.urandom(100_000))
        os.write(2, b"\xff" * 100_000)


@hostile
def endless_progress() -> None:
    for _ in range(20_000):
        context().progress(float("inf"))


# -- the state of the process --------------------------------------------------------------------------


@hostile
def change_folder() -> None:
    os.chdir("/")


@hostile
def delete_the_folder() -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)


@hostile
def umask() -> None:
    os.umask(0o777)


@hostile
def default_timeout() -> None:
    socket.setdefaulttimeout(0.01)


@hostile
def set_locale() -> None:
    for name in ("de_DE.UTF-8", "C.UTF-8", "tr_TR.UTF-8", "C"):
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_ALL, name)
            return


@hostile
def warnings_are_errors() -> None:
    warnings.simplefilter("error")


@hostile
def warnings_are_broken() -> None:
    warnings.showwarning = warnings.formatwarning = refuse
    warnings.simplefilter("always")


@hostile
def seed() -> None:
    random.seed(1)


@exits
def low_recursion_limit() -> None:
    for limit in range(20, 200):
        with contextlib.suppress(RecursionError):
            sys.setrecursionlimit(limit)
            return


@hostile
def switch_interval() -> None:
    sys.setswitchinterval(1.0)


@hostile
def no_garbage_collection() -> None:
    gc.disable()
    gc.callbacks.append(refuse)


@hostile
def trace_threads() -> None:
    threading.settrace(refuse)
    threading.setprofile(refuse)


@hostile
def trace_itself() -> None:
    sys.settrace(refuse)


@hostile
def profile_itself() -> None:
    sys.setprofile(refuse)


@hostile
def broken_hooks() -> None:
    sys.excepthook = threading.excepthook = sys.unraisablehook = sys.displayhook = refuse


@hostile
def environment() -> None:
    os.environ.clear()


@hostile
def python_path() -> None:
    sys.path.clear()


@hostile
def decimal_context() -> None:
    decimal.getcontext().prec = 1
    decimal.DefaultContext.prec = 1


@hostile
def no_logging() -> None:
    logging.config.dictConfig({"version": 1, "root": {"level": "CRITICAL", "handlers": []}})
    logging.disable(logging.CRITICAL)


@hostile
def raising_log_handler() -> None:
    handler = logging.Handler()
    handler.emit = refuse  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    logging.getLogger("jobdeck").addHandler(handler)


@hostile
def log_record_factory() -> None:
    logging.setLogRecordFactory(refuse)


@hostile
def event_loop_policy() -> None:
    asyncio.set_event_loop_policy(object())  # type: ignore[arg-type]


@hostile
def daemon_thread() -> None:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()


@hostile
def thread() -> None:
    threading.Thread(target=time.sleep, args=(3600,)).start()


@hostile
def many_threads() -> None:
    for _ in range(200):
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()


@hostile
def busy_thread() -> None:
    threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()


@hostile
def interrupts_other_threads() -> None:
    own = threading.get_ident()
    for each in threading.enumerate():
        if each.name == "jobdeck-runner" and each.ident != own:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(each.ident or 0), ctypes.py_object(SystemExit))


@hostile
def delete_temporary_folder() -> None:
    for folder in Path(tempfile.gettempdir()).glob("jobdeck-*"):
        shutil.rmtree(folder, ignore_errors=True)


# -- patched modules -----------------------------------------------------------------------------------


@hostile
def frozen_time() -> None:
    now = time.time()
    time.time = time.monotonic = time.perf_counter = lambda: now  # type: ignore[assignment]


@hostile
def time_in_the_future() -> None:
    real, monotonic = time.time, time.monotonic
    time.time = lambda: real() + 1e6  # type: ignore[assignment]
    time.monotonic = lambda: monotonic() + 1e6  # type: ignore[assignment]


@hostile
def no_sleep() -> None:
    time.sleep = lambda _: None  # type: ignore[assignment]


@hostile
def broken_json() -> None:
    json.dumps = json.loads = refuse


@hostile
def broken_print() -> None:
    builtins.print = refuse


@hostile
def broken_traceback() -> None:
    traceback.format_exception = traceback.format_tb = refuse


@hostile
def broken_sockets() -> None:
    socket.socketpair = refuse


@hostile
def broken_select() -> None:
    select.select = refuse


# -- files and limits ----------------------------------------------------------------------------------


@hostile
def close_output() -> None:
    sys.stdout.close()
    sys.stderr.close()


@hostile
def replace_output() -> None:
    sys.stdout = sys.stderr = io.TextIOWrapper(io.BytesIO(), "ascii")
    sys.stdout.close()


@hostile
def no_output() -> None:
    sys.stdout = sys.stderr = sys.stdin = None  # type: ignore[assignment]


@hostile
def close_standard_descriptors() -> None:
    for fd in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.close(fd)


@exits
def close_descriptors() -> None:
    os.closerange(0, 256)


@exits
def close_and_reuse_descriptors() -> None:
    os.closerange(3, 256)
    for _ in range(50):
        os.open("/dev/null", os.O_RDWR)


@hostile
def many_descriptors() -> None:
    with contextlib.suppress(OSError):
        while True:
            os.dup(0)
    os.closerange(300, 100_000)


@exits
def no_more_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@hostile
def no_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@exits
def no_cpu() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    for _ in iter(int, 1):
        pass


@hostile
def no_core() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@hostile
def too_much_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 32, hard))
    try:
        bytearray(1 << 34)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@hostile
def faulthandler_off() -> None:
    faulthandler.disable()


# -- forks and processes -------------------------------------------------------------------------------


@forks
def fork_and_return() -> None:
    os.fork()


@forks
def fork_and_raise() -> None:
    if os.fork() == 0:
        raise ValueError("in the child")


@forks
def fork_and_exit() -> None:
    if os.fork() == 0:
        sys.exit(0)


@forks
def fork_often() -> None:
    for _ in range(4):
        os.fork()


@hostile
def fork_and_os_exit() -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@forks
def fork_process() -> None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join()


@forks
def fork_pool() -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(abs, range(10))


@hostile
def leave_a_process() -> None:
    subprocess.Popen(["sleep", "3"])


@hostile
def zombie() -> None:
    if os.fork() == 0:
        os._exit(0)


@hostile
def reap_everything() -> None:
    with contextlib.suppress(ChildProcessError):
        for _ in range(100):
            os.waitpid(-1, os.WNOHANG)


# -- registration --------------------------------------------------------------------------------------


def _register(name: str, function: Callable[[], Any]) -> None:
    @job(name=f"thread.{name}", max_attempts=1)
    def in_thread() -> Any:
        return function()

    @job(name=f"isolated.{name}", max_attempts=1, isolate=True)
    def isolated() -> Any:
        return function()

    @job(name=f"async.{name}", max_attempts=1)
    async def in_loop() -> Any:
        await asyncio.sleep(0)
        return function()


for _name, _function in HANDLERS.items():
    _register(_name, _function)


@job(name="innocent", max_attempts=3)
def innocent(number: int, note: str) -> int:
    """Append the number to the note, which tells how often this ran."""
    fd = os.open(note, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{number}\n".encode())
    finally:
        os.close(fd)
    return number
