"""The import rules: the front uses the engine's exports only, imports point downward, and no modules import in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a module.

    Python 3.11 counts the depth of a tree for all threads together, so one that parses meanwhile makes it fail (gh-106905).
    """
    for _ in range(10):
        with suppress(SystemError):
            return ast.parse(path.read_text())
    return ast.parse(path.read_text())


def imports(folder: str) -> Iterator[tuple[Path, str]]:
    """Yield every absolute import below the folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield path, node.module


def circles(nodes: Iterable[str], imported_by: Callable[[str], Iterable[str]]) -> list[list[str]]:
    """Return the sets of modules that import one another, directly or through others (Tarjan's strongly connected components).

    Args:
        nodes: the modules.
        imported_by: returns the modules that a module imports.
    """
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        path.append(node)
        for other in imported_by(node):
            if other not in order:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in path:
                lowest[node] = min(lowest[node], order[other])
        if lowest[node] == order[node]:
            at = path.index(node)
            component = path[at:]
            del path[at:]
            if len(component) > 1 or node in imported_by(node):
                found.append(sorted(component))

    for node in sorted(nodes):
        if node not in order:
            visit(node)
    return found


def circles_in(package: str) -> list[list[str]]:
    """Return the import circles of a package, counting imports inside functions and under TYPE_CHECKING."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=False, cache_dir=None)
    return circles(graph.modules, graph.find_modules_directly_imported_by)


def test_the_contracts_hold() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("package", ["jobdeck", "jobdeck_tui"])
def test_no_modules_import_one_another_in_a_circle(package: str) -> None:
    assert circles_in(package) == []


@pytest.mark.parametrize(
    "back",
    [
        "from . import first\n",
        "def use():\n    from .first import value\n    return value\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .first import value\n",
    ],
    ids=["top", "function", "type checking"],
)
def test_a_circle_is_found_wherever_the_import_stands(back: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "circular"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "first.py").write_text("from . import second\nvalue = 1\n")
    (package / "second.py").write_text("from . import third\n")
    (package / "third.py").write_text(back)
    (package / "fourth.py").write_text("from . import first\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert circles_in("circular") == [["circular.first", "circular.second", "circular.third"]]


def test_the_engine_imports_no_screen_and_no_command_line() -> None:
    found = [
        (path.name, name)
        for path, name in imports("core")
        if name.partition(".")[0] in ("textual", "rich", "click", "jobdeck_tui")
    ]
    assert not found


def test_the_front_imports_only_what_the_engine_exports() -> None:
    found = [(path.name, name) for path, name in imports("tui") if name.startswith("jobdeck.")]
    assert not found
    assert any(name == "jobdeck" for _, name in imports("tui"))


def test_the_engine_uses_functions_of_time_and_json_that_handlers_cannot_replace() -> None:
    """Those of `clock` and `json_functions`. The HTTP API runs beside no handlers, and a guard has a process of its own."""
    allowed = {"clock.py", "json_functions.py", "process_state.py", "crash_guard_main.py", "arguments.py"}
    found = {path for path, name in imports("core") if name in ("time", "json") and "http" not in path.parts}
    assert {path.name for path in found} <= allowed


def test_only_the_feed_and_the_commands_hold_a_queue() -> None:
    """Screens, forms and widgets describe what to ask a queue; the feed passes the queue to them on its own thread.

    The demo and the lab have scratch queues of their own.
    """
    holders = set()
    for path in (ROOT / "tui" / "jobdeck_tui").rglob("*.py"):
        for node in ast.walk(parsed(path)):
            made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Queue", "open_queue")
            if made or (isinstance(node, ast.Attribute) and ast.unparse(node).endswith("feed.queue")):
                holders.add(path.relative_to(ROOT / "tui" / "jobdeck_tui").parts[0])
    assert {"launch.py"} < holders <= {"feed", "launch.py", "commands", "demo", "lab"}
