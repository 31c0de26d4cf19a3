"""README.md: short enough to read, its Python works, its tests pass, and every file that it names exists.

That its shell commands work, and that every command and setting is described, is checked in `test_guide.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobdeck import Settings
from jobdeck_tui.cli import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CI = (ROOT / ".ci" / "run").read_text()


def test_the_readme_is_read_in_one_sitting() -> None:
    assert README.count("\n") <= 130


def test_the_two_commands_are_those_that_the_checks_run() -> None:
    lines = README.splitlines()
    for name in ("DEMO_LINE", "TEST_LINE"):
        (command,) = re.findall(rf'^{name}="(.*)"$', CI, re.MULTILINE)
        assert command in lines


def test_every_command_that_is_named_exists() -> None:
    named = set(
        re.findall(
            r"(?<![\w/.-])jobdeck ([a-z]+)", " ".join(re.findall(r"`[^`\n]+`|```(?:sh|console)\n.*?```", README, re.DOTALL))
        )
    )
    assert {"run", "schedule", "list", "worker", "guide"} <= named <= {*COMMANDS}


def test_no_setting_is_named_that_does_not_exist() -> None:
    assert set(re.findall(r"JOBDECK_[A-Z_]+", README)) <= {name for name, _, _ in Settings.describe()}


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    tasks, program = PYTHON
    (tmp_path / "tasks.py").write_text(tasks)
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["receipt-12"]


def test_the_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    for target in pictures:
        assert (ROOT / target).is_file(), target


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?<!!)\[[^]]+\]\(([^)]+)\)", README))))
def test_every_link_leads_to_a_file(target: str) -> None:
    assert target.startswith("https://") or (ROOT / target).exists()
