"""The logs of attempts."""

from __future__ import annotations

from contextlib import suppress

import pytest
from tests.core.helpers import Bench, steps_of


def test_lines_are_read_in_the_order_of_writing(bench: Bench) -> None:
    job = bench.running()
    bench.store.logs.append([(job.id, 1, 1.0, "info", "one"), (job.id, 1, 2.0, "err", "two")], 1000)
    bench.store.logs.append([(job.id, 1, 0.5, "out", "three")], 1000)
    lines = bench.store.reader.logs(job.id)
    assert [(line.text, line.level, line.at) for line in lines] == [
        ("one", "info", 1.0),
        ("two", "err", 2.0),
        ("three", "out", 0.5),
    ]


def test_each_attempt_keeps_its_newest_lines_up_to_a_size(bench: Bench) -> None:
    job = bench.running()
    bench.store.logs.append([(job.id, 1, 0.0, "out", f"{n:010}") for n in range(20)], 55)
    bench.store.logs.append([(job.id, 2, 0.0, "out", "other")], 55)
    assert [int(line.text) for line in bench.store.reader.logs(job.id, attempt=1)] == [15, 16, 17, 18, 19]
    assert [line.text for line in bench.store.reader.logs(job.id, attempt=2)] == ["other"]


def test_a_limit_returns_the_newest_lines_and_after_continues(bench: Bench) -> None:
    job = bench.running()
    bench.store.logs.append([(job.id, 1, 0.0, "out", str(n)) for n in range(10)], 1000)
    newest = bench.store.reader.logs(job.id, limit=3)
    assert [line.text for line in newest] == ["7", "8", "9"]
    bench.store.logs.append([(job.id, 1, 0.0, "out", "10")], 1000)
    assert [line.text for line in bench.store.reader.logs(job.id, after=newest[-1].id)] == ["10"]


def test_lines_for_a_deleted_job_are_not_stored(bench: Bench) -> None:
    bench.store.logs.append([(999, 1, 0.0, "out", "late")], 1000)
    assert bench.rows("SELECT * FROM jobdeck_logs") == []


@pytest.mark.sqlite
@pytest.mark.parametrize("attempt", [1, 2])
def test_the_cost_of_a_line_does_not_depend_on_the_length_of_the_log(bench: Bench, attempt: int) -> None:
    job, other = bench.running(), bench.running()
    for each in range(1, attempt + 1):
        for _ in range(5):
            bench.store.logs.append([(job.id, each, 0.0, "out", "x" * 50)] * 2000, 500_000)
    bench.store.logs.append([(other.id, 1, 0.0, "out", "x" * 50)] * 2, 500_000)
    long = steps_of(lambda: bench.store.logs.append([(job.id, attempt, 0.0, "out", "y" * 50)], 500_000))
    short = steps_of(lambda: bench.store.logs.append([(other.id, 1, 0.0, "out", "y" * 50)], 500_000))
    assert long < 1.5 * short
    lines = bench.store.reader.logs(job.id, attempt=attempt, limit=20_000)
    assert (len(lines), lines[-1].text[0]) == (10_000, "y")


def test_empty_lines_count_too(bench: Bench) -> None:
    """Otherwise a job could store any number of them."""
    job = bench.running()
    for _ in range(3):
        bench.store.logs.append([(job.id, 1, 0.0, "out", "")] * 20, 30)
    assert len(bench.store.reader.logs(job.id)) == 30


def test_rolled_back_lines_do_not_count(bench: Bench) -> None:
    job = bench.running()
    bench.store.logs.append([(job.id, 1, 0.0, "out", "a" * 30)], 100)
    for _ in range(3):
        with suppress(ZeroDivisionError), bench.store.transaction():
            bench.store.logs.append([(job.id, 1, 0.0, "out", "b" * 60)], 100)
            raise ZeroDivisionError
    bench.store.logs.append([(job.id, 1, 0.0, "out", "c" * 30)], 100)
    assert [line.text[0] for line in bench.store.reader.logs(job.id)] == ["a", "c"]


def test_a_second_process_continues_the_log_of_the_first(bench: Bench) -> None:
    job = bench.running()
    bench.store.logs.append([(job.id, 1, 0.0, "out", f"{n:010}") for n in range(4)], 55)
    again = bench.open_again()
    again.logs.append([(job.id, 1, 0.0, "out", f"{n:010}") for n in range(4, 7)], 55)
    again.close()
    assert [int(line.text) for line in bench.store.reader.logs(job.id)] == [2, 3, 4, 5, 6]


def test_a_log_is_read_on_from_its_oldest_lines(bench: Bench) -> None:
    job = bench.running()
    bench.store.logs.append([(job.id, 1, 0.0, "out", str(n)) for n in range(5)], 1000)
    first = bench.store.reader.logs(job.id, limit=2, oldest=True)
    rest = bench.store.reader.logs(job.id, after=first[-1].id, limit=2, oldest=True)
    assert [line.text for line in (*first, *rest)] == ["0", "1", "2", "3"]
    assert [line.text for line in bench.store.reader.logs(job.id, limit=2)] == ["3", "4"]
