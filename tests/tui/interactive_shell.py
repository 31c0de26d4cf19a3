"""A real bash, zsh or fish in a pseudo-terminal, in which `jobdeck` completes for real and is recorded instead of run."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

import jobdeck
import jobdeck_tui
from jobdeck_tui.commands.shells.answer import script

_START = {
    "bash": ["bash", "--noprofile", "--rcfile", "{rc}", "-i"],
    "zsh": ["zsh", "-d", "-i"],
    "fish": ["fish", "--private", "--init-command", "source {rc}"],
}
_BEFORE = {
    "bash": "PS1='@@ '; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; bind 'set page-completions off'\n",
    "zsh": "PS1='@@ '; unsetopt beep zle_bracketed_paste; autoload -Uz compinit; compinit -u -D\n",
    "fish": "function fish_prompt; echo -n '@@ '; end; function fish_greeting; end; set -g fish_autosuggestion_enabled 0\n",
}


class InteractiveShell:
    """Types into a shell, and reads the words with which it called `jobdeck`."""

    def __init__(self, name: str, folder: Path, environ: Mapping[str, str]) -> None:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
        self.folder = folder
        self._called, self._answered = folder / "called", folder / "answered"
        (folder / "bin").mkdir()
        (folder / "home").mkdir()
        self.work = folder / "work"
        self.work.mkdir()
        program = folder / "bin" / "jobdeck"
        program.write_text(
            f"""#!/bin/sh
            if [ -n "$_JOBDECK_COMPLETE" ]; then {sys.executable} -P -m jobdeck_tui "$@"; : > {self._answered}; exit; fi
            printf '%s\\0' "$@" > {self._called}.part; mv {self._called}.part {self._called}
            """
        )
        program.chmod(0o755)
        rc = folder / "home" / ".zshrc"
        rc.write_text(_BEFORE[name] + script(name))
        sources = os.pathsep.join(str(Path(package.__file__ or "").parents[1]) for package in (jobdeck, jobdeck_tui))
        variables = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder / "home"), "ZDOTDIR": str(folder / "home"),
            "PYTHONPATH": sources, "TERM": "dumb" if name == "zsh" else "xterm", "LC_ALL": "C.UTF-8",
            "XDG_CONFIG_HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder / "home"), **environ,
        }  # fmt: skip
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(self.work)
            command = [word.format(rc=rc) for word in _START[name]]
            os.execvpe(command[0], command, variables)
        self.seen = b""
        self._see_prompt()

    def complete(self, line: str | bytes, then: str = "") -> list[bytes]:
        """Type a line, press tab, type the rest and press enter; return the words that `jobdeck` was called with."""
        for file in (self._called, self._answered):
            file.unlink(missing_ok=True)
        self.seen = b""
        os.write(self._terminal, os.fsencode(line) + b"\t")
        self._await(self._answered)
        while self._read(0.1):  # zsh closes no quotes when more is typed already
            pass
        os.write(self._terminal, then.encode() + b"\r")
        self._await(self._called)
        words = self._called.read_bytes().split(b"\0")[:-1]
        self._see_prompt()
        return words

    def _read(self, seconds: float) -> bool:
        if not select.select([self._terminal], [], [], seconds)[0]:
            return False
        self.seen += os.read(self._terminal, 1 << 16)
        return True

    def _await(self, file: Path) -> None:
        until = time.monotonic() + 20
        while not file.exists():
            assert time.monotonic() < until, self.seen
            self._read(0.01)

    def _see_prompt(self) -> None:
        until = time.monotonic() + 20
        while self._read(0.03) or b"@@ " not in self.seen:
            assert time.monotonic() < until, self.seen

    def end(self) -> None:
        """Kill the shell."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)
