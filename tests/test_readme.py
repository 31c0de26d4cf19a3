"""What the README says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from jobdeck import Settings
from jobdeck_tui.cli import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_every_command_is_named() -> None:
    missing = [name for name in COMMANDS if not re.search(rf"`[^`\n]*\b{name}\b", README)]
    assert not missing


def test_every_setting_is_described_as_it_is() -> None:
    for name, default, meaning in Settings.describe():
        shown = default or ("~/.local/share/jobdeck/jobs.db" if name == "JOBDECK_DATABASE" else "")
        cell = f"`{shown}` " if shown else ""
        assert f"| `{name}` | {cell}| {meaning} |" in README


def test_no_setting_is_described_that_does_not_exist() -> None:
    known = {name for name, _, _ in Settings.describe()} | {
        "JOBDECK_JOB_ID",
        "JOBDECK_ATTEMPT",
        "JOBDECK_THEME",
        "JOBDECK_ASCII",
    }
    assert set(re.findall(r"JOBDECK_[A-Z_]+", README)) <= known


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    tasks, program, _ = PYTHON
    (tmp_path / "tasks.py").write_text(tasks)
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["receipt-12", "1 {'order_id': 12, 'to': 'ann@example.org'} receipt-12"]


def test_the_tests_of_the_readme_pass(tmp_path: Path) -> None:
    tasks, _, tests = PYTHON
    (tmp_path / "tasks.py").write_text(tasks)
    (tmp_path / "test_tasks.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_tasks.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_picture_is_there() -> None:
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / target.replace("%5B", "[").replace("%5D", "]")).is_file()
