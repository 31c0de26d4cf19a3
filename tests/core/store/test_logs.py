"""What attempts leave in words."""

from __future__ import annotations

from tests.core.helpers import Bench


def test_lines_read_back_in_the_order_they_were_written(bench: Bench) -> None:
    job = bench.running()
    bench.store.append_logs([(job.id, 1, 1.0, "info", "one"), (job.id, 1, 2.0, "err", "two")], 1000)
    bench.store.append_logs([(job.id, 1, 0.5, "out", "three")], 1000)
    lines = bench.store.read_logs(job.id)
    assert [(line.text, line.level, line.at) for line in lines] == [
        ("one", "info", 1.0),
        ("two", "err", 2.0),
        ("three", "out", 0.5),
    ]


def test_each_attempt_keeps_its_newest_lines_up_to_a_size(bench: Bench) -> None:
    job = bench.running()
    bench.store.append_logs([(job.id, 1, 0.0, "out", f"{n:010}") for n in range(20)], 55)
    bench.store.append_logs([(job.id, 2, 0.0, "out", "other")], 55)
    assert [int(line.text) for line in bench.store.read_logs(job.id, attempt=1)] == [15, 16, 17, 18, 19]
    assert [line.text for line in bench.store.read_logs(job.id, attempt=2)] == ["other"]


def test_a_limit_keeps_the_newest_and_after_continues(bench: Bench) -> None:
    job = bench.running()
    bench.store.append_logs([(job.id, 1, 0.0, "out", str(n)) for n in range(10)], 1000)
    newest = bench.store.read_logs(job.id, limit=3)
    assert [line.text for line in newest] == ["7", "8", "9"]
    bench.store.append_logs([(job.id, 1, 0.0, "out", "10")], 1000)
    assert [line.text for line in bench.store.read_logs(job.id, after=newest[-1].id)] == ["10"]


def test_lines_for_a_job_that_is_gone_are_not_kept(bench: Bench) -> None:
    bench.store.append_logs([(999, 1, 0.0, "out", "late")], 1000)
    assert bench.rows("SELECT * FROM jobdeck_logs") == []
