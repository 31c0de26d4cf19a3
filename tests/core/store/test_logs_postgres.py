"""The cost of a log line on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.concurrency import on_server
from tests.core.helpers import Bench, FakeClock

pytestmark = pytest.mark.postgres

_READ = """
SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'jobdeck_logs'
"""


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Return an empty queue on the server."""
    with on_server(tmp_path, clock) as made:
        yield made


def rows_read(bench: Bench, act: Callable[[], object]) -> int:
    """Return the number of log lines that the server reads for `act`."""
    with bench.store.transaction() as session:
        before = session.execute(_READ).get
        act()
        return int(session.execute(_READ).get - before)


def test_the_number_of_lines_read_for_one_more_does_not_depend_on_the_length_of_the_log(bench: Bench) -> None:
    job = bench.running()
    for _ in range(3):
        bench.store.logs.append([(job.id, 1, 0.0, "out", "x" * 50)] * 1000, 100_000)
    line = [(job.id, 1, 0.0, "out", "y" * 50)]
    bench.store.logs.append(line, 100_000)
    assert rows_read(bench, lambda: bench.store.logs.append(line, 100_000)) <= 500  # a step of the oldest, and those deleted
    assert rows_read(bench, lambda: bench.store.logs.append(line, 1 << 30)) == 0
    lines = bench.store.reader.logs(job.id, limit=10_000)
    assert (len(lines), lines[-1].text[0]) == (2001, "y")


def test_two_processes_that_log_for_the_same_attempt_keep_it_near_its_limit(bench: Bench) -> None:
    """Each knows its own lines only; what it reads again when it starts is all."""
    job = bench.running()
    other = bench.open_again()
    for _ in range(10):
        for store in (bench.store, other):
            store.logs.append([(job.id, 1, 0.0, "out", "x" * 50)] * 100, 50_000)
    other.close()
    assert len(bench.store.reader.logs(job.id, limit=10_000)) <= 2000
