"""Both stores have the same file, and the same class, for the same role."""

from __future__ import annotations

import ast
from pathlib import Path

import jobdeck.store as package

ROOT = Path(package.__file__).parent
OWN = {
    "sqlite": {
        "backup.py": "a server is backed up by its own program",
        "doctor/environment_checks.py": "only a file has a disk, a file system and an SQLite library around it",
        "doctor/file_checks.py": "only a file can be damaged by itself",
        "file_guard.py": "a server keeps its own locks",
        "file_identity.py": "a file is identified by its inode, and leaves a log behind",
        "foreign_clocks.py": "a server has one clock for all",
        "group_commit.py": "a server commits several connections together by itself",
        "read_only.py": "a server lets a user read without writing anything by itself",
        "lock_wait.py": "a server queues those who wait for a lock",
        "transaction.py": "psycopg has transactions as blocks; a file's are opened here, a hundred thousand times a minute",
        "wal.py": "a server maintains its own log",
    },
    "postgres": {
        "advisory_locks.py": "a file has one writer at a time, and needs no other locks",
        "doctor/server_checks.py": "only a server has settings, connections and transactions around the queue",
        "dsn.py": "a path needs no parsing beyond `connect.py`",
        "identity.py": "a queue on a server is identified by the numbers of its cluster, database and table",
        "notifier.py": "a file is served by the shared `notifier.py`",
        "pooler.py": "nothing stands between a process and a file",
        "session.py": "apsw's connections have the interface that a session adds to psycopg's",
        "sharded_counters.py": "a file has one writer at a time, so no transaction waits for a counter",
        "type_adapters.py": "SQLite stores every text as it is",
    },
}
"""Files that only one of the stores has, each with the reason."""


def files(store: str) -> set[str]:
    folder = ROOT / store
    return {str(each.relative_to(folder)) for each in folder.rglob("*.py") if "migrations" not in each.parts}


def classes(path: Path) -> set[str]:
    found = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)}
    return {name.replace("Sqlite", "").replace("Postgres", "") for name in found if not name.startswith("_")}


def test_both_stores_have_the_same_files_but_for_those_with_a_reason() -> None:
    assert files("sqlite") - files("postgres") == set(OWN["sqlite"])
    assert files("postgres") - files("sqlite") == set(OWN["postgres"])


def test_a_common_file_holds_the_same_classes_in_both_stores() -> None:
    only_in_one = {
        name: found
        for name in files("sqlite") & files("postgres")
        if (found := classes(ROOT / "sqlite" / name) ^ classes(ROOT / "postgres" / name))
    }
    assert only_in_one == {
        "connection.py": {"HasConnections"},  # what may be retried: nothing conflicts in a file
        "errors.py": {"Conflict"},
        "raw_connection.py": {"RawConnection"},  # apsw's own is enough
    }
