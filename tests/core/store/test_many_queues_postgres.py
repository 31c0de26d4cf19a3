"""The number of rows that a claim from many queues reads on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.concurrency import on_server
from tests.core.helpers import Bench, FakeClock, new

pytestmark = pytest.mark.postgres

_READ = """
SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'jobdeck_jobs'
"""


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Return an empty queue on the server."""
    with on_server(tmp_path, clock) as made:
        yield made


def rows_read(bench: Bench, act: Callable[[], object]) -> int:
    """Return the number of jobs that the server reads for `act`."""
    with bench.store.transaction() as session:
        session.execute("SET LOCAL enable_seqscan = off")  # as in a table that is not as small as this one
        before = session.execute(_READ).get
        act()
        return int(session.execute(_READ).get - before)


def test_the_rows_that_a_claim_reads_grow_with_queues_and_jobs_but_not_with_their_product(bench: Bench) -> None:
    bench.enqueue(*[new(queue=f"q{number:04}") for _ in range(60) for number in range(60)])
    bench.rows("ANALYZE jobdeck_jobs")  # as the server does by itself within a minute
    assert rows_read(bench, lambda: bench.claim(60, kinds=("demo.work",))) < 10 * (60 + 60)
