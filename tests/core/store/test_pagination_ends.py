"""Lists that are read page after page: no job is skipped or repeated while others come, change and go."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import InvalidOption, Job, PageEnd, parse_filter
from jobdeck.model.jobs import PAGED_SORTS


def read_pages(bench: Bench, sort: str, descending: bool, size: int = 3) -> list[Job]:
    found: list[Job] = []
    end: PageEnd | None = None
    while True:
        page = bench.store.queries.list(parse_filter(""), limit=size, sort=sort, descending=descending, after=end)
        if not page:
            return found
        found += page
        end = PageEnd.of(page[-1], sort)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", PAGED_SORTS)
def test_pages_hold_every_job_once_in_the_order_of_the_whole_list(bench: Bench, sort: str, descending: bool) -> None:
    for number in range(8):
        bench.clock.advance(0.25)
        bench.enqueue(new(f"kind.{number % 3}", f"queue.{number % 2}", priority=number % 3))
    for job in bench.claim(4):
        bench.clock.advance(0.1)
        bench.complete(job) if job.id % 2 else bench.fail(job, retry_in=60)
    whole = bench.store.queries.list(parse_filter(""), limit=100, sort=sort, descending=descending)
    assert len(whole) == 8
    assert read_pages(bench, sort, descending) == [*whole]


def test_a_page_goes_on_after_a_job_that_is_gone(bench: Bench) -> None:
    jobs = bench.enqueue(*(new(priority=1) for _ in range(6)))
    first = bench.store.queries.list(parse_filter(""), limit=3, sort="priority", descending=True)
    bench.store.jobs.delete([first[-1].id])
    bench.enqueue(new(priority=1))
    after = PageEnd.of(first[-1], "priority")
    second = bench.store.queries.list(parse_filter(""), limit=3, sort="priority", descending=True, after=after)
    assert [job.id for job in second] == [job.id for job in reversed(jobs[:3])]


@pytest.mark.parametrize("sort", ["wait", "took", "tags", "nosuch"])
def test_orders_that_change_as_time_passes_have_no_pages(bench: Bench, sort: str) -> None:
    (job,) = bench.enqueue()
    with pytest.raises(InvalidOption, match="must be one of id, state"):
        PageEnd.of(job, sort)
    with pytest.raises(InvalidOption):
        bench.store.queries.list(parse_filter(""), limit=3, sort=sort, after=PageEnd(1.0, 1))
