"""The tour's step on a PostgreSQL server: it answers its question, and leaves no schema however it is left."""

from __future__ import annotations

import os
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.core.helpers import wait_until
from tests.core.postgres import Server
from tests.tui.pseudo_terminal import Screen
from tests.tui.tour.test_terminal import leave_nothing

from jobdeck_tui.demo.demo import Demo
from jobdeck_tui.demo.sandbox import demo_queue
from jobdeck_tui.lab.scheduler.postgres_table import PREFIX
from jobdeck_tui.tour.acts import ACTS, ActRun

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """The address of a database with a table of its user, which nobody touches."""
    url = server.url("postgres")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE jobs (id integer); INSERT INTO jobs VALUES (7)")
    before = tables(url)
    yield url
    wait_until(lambda: schemas(url) == [])
    assert tables(url) == before
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM jobs").fetchall() == [(7,)]
        connection.execute("DROP TABLE jobs")


def schemas(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", (f"{PREFIX}%",)).fetchall()
    return [name for (name,) in found]


def tables(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        ).fetchall()


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with demo_queue() as queue, Demo(queue) as made:
        made._history.join()
        yield made
    assert [*tmp_path.iterdir()] == []
    wait_until(lambda: not any(thread.name.startswith("jobdeck-tour") for thread in threading.enumerate()))


def text(run: ActRun) -> list[str]:
    return ["".join(piece for piece, _ in line).rstrip() for line in run.lines]


def test_the_second_worker_waits_for_a_lock_and_skips_it_in_the_other_lane(
    demo: Demo, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobdeck_tui.tour.row_locks._BEAT", 0)
    run = ActRun(ACTS["row-locks"], demo, lambda: None, server=url)
    wait_until(lambda: not run.is_running, 60)
    assert run.problem == ""
    assert run.result is not None
    assert run.result.headline == "Waits until the second worker had a job: FOR UPDATE 1, SKIP LOCKED 0."
    assert text(run) == [
        "              FOR UPDATE        SKIP LOCKED",
        " 1  worker 1  SELECT → job 1    SELECT → job 1",
        " 2  worker 2  waits: locked     SELECT → job 2",
        " 3  worker 1  UPDATE → 1 row    UPDATE → 1 row",
        " 4  worker 1  COMMIT            COMMIT",
        " 5  worker 2  SELECT → job 2    UPDATE → 1 row",
        "    run twice ✓ 0 of 10 orders  ✓ 0 of 70 orders",
    ]
    assert max(map(len, text(run))) <= 51, "beside what to say, on a terminal of 110 columns"
    assert schemas(url) == []


@pytest.mark.parametrize("seen", ["2  worker 2  waits", "2  worker 2  waits: locked     SELECT", "run twice ✓ 0 of 10 orders"])
def test_leaving_at_any_moment_drops_the_schema(demo: Demo, url: str, seen: str) -> None:
    reached, left = threading.Event(), threading.Event()
    runs: list[ActRun] = []

    def hold() -> None:
        if runs and any(seen in line for line in text(runs[0])) and not left.is_set():
            reached.set()
            left.wait(30)

    runs.append(ActRun(ACTS["row-locks"], demo, hold, server=url))
    assert reached.wait(30)
    assert len(schemas(url)) == (0 if seen.startswith("run twice") else 1)
    threading.Timer(0, left.set).start()
    runs[0].close()
    assert runs[0].problem == "Stopped."
    assert schemas(url) == []


def test_a_server_that_is_away_is_a_sentence_on_the_screen(demo: Demo) -> None:
    run = ActRun(ACTS["row-locks"], demo, lambda: None, server="postgresql:///app?host=/nowhere")
    wait_until(lambda: not run.is_running, 30)
    assert run.problem.startswith("The lab cannot use the PostgreSQL server: ")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_quitting_in_the_middle_of_the_step_leaves_no_schema(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("t")
    settings = {"TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder.parent / "config"), "JOBDECK_DATABASE": url}
    terminal = Screen(sys.executable, "-m", "jobdeck_tui", "demo", "--tour", size=(120, 40), **settings)
    try:
        before = termios.tcgetattr(terminal.near)
        terminal.see("Two workers, one job")
        terminal.type("5", "s")
        terminal.see("PostgreSQL: lock, or skip")
        terminal.type("space")
        terminal.see("2  worker 2")
        assert len(schemas(url)) == 1
        os.write(terminal.near, b"\x03")
        leave_nothing(terminal, before, folder)
        assert schemas(url) == []
    finally:
        terminal.end()
