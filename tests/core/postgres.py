"""A temporary PostgreSQL server for the tests, without durability unless it is asked for, reached through a Unix socket.

The server programs are searched on the PATH and in the usual directories of Linux distributions. They refuse to run as
root, and then run as another user.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobdeck.store.postgres import PostgresStore
from jobdeck.store.postgres.session import translate_placeholders
from jobdeck.store.postgres.type_adapters import adapt

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_UNPRIVILEGED = ("postgres", "pguser", "nobody")
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "on",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
}
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "shared_buffers": "256MB"}
_TEMPLATE = "jobdeck_template"


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, _FOLDERS)]))
    if found is None:
        pytest.fail(f"these tests start a PostgreSQL server, and there is no {name} here")
    return found


def as_unprivileged(folder: Path) -> list[str]:
    """Return the words before a command that refuses to run as root, and give the folder to the user that it runs as."""
    if os.getuid() != 0:
        return []
    user = next(found for name in _UNPRIVILEGED if (found := _user(name)))
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=QUIT"]


class Server:
    """A server with one database per test."""

    def __init__(self, *, durable: bool = False) -> None:
        self._settings = _SETTINGS | (_DURABLE if durable else {})
        self.folder = Path(tempfile.mkdtemp(prefix="jdpg"))  # socket paths must be short
        self._count = 0
        self._free: list[str] = []
        self._own: psycopg.Connection[Any] | None = None
        self._as = as_unprivileged(self.folder)
        data = str(self.folder / "data")
        make = [_program("initdb"), "-D", data, "-U", "jobdeck", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*self._as, *make], check=True, capture_output=True, cwd=self.folder)
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        atexit.register(self.remove)
        self.run(f"CREATE DATABASE {_TEMPLATE}")
        PostgresStore(self.url(_TEMPLATE)).close()
        with psycopg.connect(self.url(_TEMPLATE)) as connection:
            self._shape = connection.execute(_SHAPE).fetchone()

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://jobdeck@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        serve = [_program("postgres"), "-D", self._data, "-k", str(self.folder), *settings]
        self._process = subprocess.Popen(
            [*self._as, *serve], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 30
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        if self._process is not None:
            self._own = None
            for look in _LOOKS.values():
                look.close()
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def restart(self) -> None:
        """Stop the server as a crash would, and restart it."""
        self.stop()
        self.start()

    @property
    def pid(self) -> int:
        """Return the process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def forget(self) -> None:
        """Wait for the end of a server that was killed, and forget it."""
        assert self._process is not None
        self._process.wait(30)
        self._process = self._own = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes of the server as a debugger would: connections stay open, and nothing is answered."""
        root = self.pid
        os.kill(root, signal.SIGSTOP)  # first: from now on it starts no others
        children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in (*map(int, children), root):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, statement: str) -> None:
        """Run a statement in the `postgres` database."""
        if self._own is None:
            self._own = psycopg.connect(self.url("postgres"), autocommit=True)
        self._own.execute(statement)  # type: ignore[call-overload]

    def new_database(self) -> str:
        """Return the name of a database with an empty queue."""
        if self._free:
            return self._free.pop()
        self._count += 1
        name = f"test_{self._count}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return name

    def reuse_database(self, name: str) -> None:
        """Empty a database for reuse by the next test, ten times faster than creating a new one."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(_ALONE)
            same = False
            with suppress(psycopg.Error):
                same = connection.execute(_SHAPE).fetchone() == self._shape
            if same:
                connection.execute(_EMPTY)
        if same:
            self._free.append(name)
        else:  # the test has changed more than rows
            self.run(f"DROP DATABASE {name} WITH (FORCE)")


_ALONE = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE = """
SELECT string_agg(format('%s.%s', attrelid::regclass, attname), ' ' ORDER BY attrelid::regclass::text, attnum),
       (SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'),
       (SELECT string_agg(value, ' ') FROM jobdeck_meta)
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relname LIKE 'jobdeck%' AND attnum > 0
"""
_EMPTY = """
DO $$
DECLARE each text;
BEGIN
    FOR each IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'jobdeck%' AND relname <> 'jobdeck_meta' LOOP
        EXECUTE format('DELETE FROM %I', each);
    END LOOP;
    FOR each IN SELECT relname FROM pg_class WHERE relkind = 'S' AND relname LIKE 'jobdeck%' LOOP
        EXECUTE format('SELECT setval(%L, 1, false)', each);
    END LOOP;
END $$
"""


def _user(name: str) -> pwd.struct_passwd | None:
    with suppress(KeyError):
        return pwd.getpwnam(name)
    return None


@cache
def server() -> Server:
    """Return the server of this test run, started on first use."""
    return Server()


def end() -> None:
    """Stop the server of this test run, if it was started."""
    if server.cache_info().currsize:
        server().remove()


_DATABASES: dict[Path, str] = {}


def database_at(path: Path) -> str:
    """Return the URL of the database that belongs to a path; create one with an empty queue if needed."""
    if path not in _DATABASES:
        _DATABASES[path] = server().new_database()
    return server().url(_DATABASES[path])


def client_address(path: Path) -> str:
    """Return the URL by which jobdeck opens the database of a path: through PgBouncer, if JOBDECK_TEST_POOLER names a mode."""
    address, mode = database_at(path), os.environ.get("JOBDECK_TEST_POOLER")
    if not mode:
        return address
    folder, port = _pooler(mode)
    return f"postgresql://jobdeck@/{_DATABASES[path]}?host={folder}&port={port}"


@cache
def _pooler(mode: str) -> tuple[str, str]:
    """Return the folder and the port of a pooler in front of the server of this test run."""
    from psycopg.conninfo import conninfo_to_dict
    from tests.core.pgbouncer import pgbouncer

    running = pgbouncer(server().url("postgres"), mode)
    found = conninfo_to_dict(running.__enter__())
    atexit.register(running.__exit__, None, None, None)
    return str(found["host"]), str(found["port"])


def release_database(path: Path) -> None:
    """Release the database that belongs to a path."""
    look = _LOOKS.pop(path, None)
    if look is not None:
        look.close()
    name = _DATABASES.pop(path, None)
    if name is not None:
        server().reuse_database(name)


_LOOKS: dict[Path, psycopg.Connection[Any]] = {}


def rows(path: Path, query: str, bound: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement directly on the database. It may use `?` placeholders, as in SQLite."""
    look = _LOOKS.get(path)
    if look is None or look.closed:
        look = psycopg.connect(database_at(path), autocommit=True, cursor_factory=psycopg.RawCursor)
        adapt(look)
        _LOOKS[path] = look
    cursor = look.execute(translate_placeholders(query)[0], bound or None)
    return cursor.fetchall() if cursor.description else []
