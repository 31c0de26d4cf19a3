"""The import rule: the front uses the front door only, and inside the engine imports point downward."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imports(folder: str) -> Iterator[tuple[Path, str]]:
    """Every absolute import below the folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield path, node.module


def test_the_contracts_hold() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_engine_imports_no_screen_and_no_command_line() -> None:
    found = [
        (path.name, name)
        for path, name in imports("core")
        if name.partition(".")[0] in ("textual", "rich", "click", "jobdeck_tui")
    ]
    assert not found


def test_the_front_imports_the_front_door_only() -> None:
    found = [(path.name, name) for path, name in imports("tui") if name.startswith("jobdeck.")]
    assert not found
    assert any(name == "jobdeck" for _, name in imports("tui"))


def test_only_the_feed_and_the_commands_hold_a_queue() -> None:
    """Screens, forms and widgets write down what shall be asked of a queue; the feed hands it to them on its own thread."""
    holders = set()
    for path in (ROOT / "tui" / "jobdeck_tui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Queue"
            if made or (isinstance(node, ast.Attribute) and ast.unparse(node).endswith("feed.queue")):
                holders.add(path.relative_to(ROOT / "tui" / "jobdeck_tui").parts[0])
    assert {"launch.py"} < holders <= {"feed", "launch.py", "commands", "demo"}
