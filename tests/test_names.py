"""A class name stands for one thing in the whole repository: one concept, one word."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import jobdeck
import jobdeck_tui

ROOTS = [Path(package.__file__).parent for package in (jobdeck, jobdeck_tui) if package.__file__]


def definitions() -> dict[str, list[str]]:
    """Public class → the modules that define it; the two stores, and the interface of both, count as one."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(root.parent)))
    return found


def things(paths: list[str]) -> set[str]:
    """The modules, with the same role in both stores, and in the interface of both, as one."""
    of_stores = {path for path in paths if path.startswith(("jobdeck/store/sqlite/", "jobdeck/store/postgres/"))}
    stores = {path.split("/")[2] for path in of_stores}
    if len(of_stores) != len(stores):  # twice in one store
        return set(paths)
    interface = {"jobdeck/store/base.py", "jobdeck/store/doctor.py"} if of_stores else set()
    return {"jobdeck/store/*" if path in of_stores | interface else path for path in paths}


def test_a_class_name_stands_for_one_thing() -> None:
    several = {name: len(things(paths)) for name, paths in definitions().items() if len(things(paths)) > 1}
    assert several == {}
