"""PgBouncer in front of the tests' server, on a Unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.core.postgres import as_unprivileged, server

_PROGRAM = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


@contextmanager
def pgbouncer(address: str, mode: str) -> Iterator[str]:
    """Start a pooler in this `pool_mode`, and return the address of the database through it."""
    if _PROGRAM is None:
        pytest.skip("there is no pgbouncer here")
    folder = server().folder / f"pgbouncer-{mode}"
    folder.mkdir(exist_ok=True)
    name = conninfo_to_dict(address)["dbname"]
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={server().folder} user=jobdeck\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\n"
        f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = 30\nlogfile =\n"
    )
    through = f"postgresql://jobdeck@/{name}?host={folder}&port=6432"
    process = subprocess.Popen(
        [*as_unprivileged(folder), _PROGRAM, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(through).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < until
                time.sleep(0.02)
        yield through
    finally:
        process.kill()
        process.wait()
