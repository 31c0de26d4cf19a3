"""Groups of similar failures."""

from __future__ import annotations

import pytest
from tests.core.helpers import Bench, new

from jobdeck import parse_filter
from jobdeck.model.attempt_result import Failed
from jobdeck.model.jobs import Outcome
from jobdeck.model.metrics import error_place


def trace(line: int, function: str = "send") -> str:
    return (
        "Traceback (most recent call last):\n"
        '  File "/srv/app/mail.py", line 41, in send_receipt\n    server.send(to)\n'
        f'  File "/srv/app/smtp.py", line {line}, in {function}\n    raise Gone("x")\n'
        "app.smtp.Gone: no\nFile a complaint\n"
    )


def fail(bench: Bench, kind: str, error: str, traceback: str | None, message: str = "no", **more: object) -> int:
    job = bench.running(kind=kind)
    now = bench.clock.now()
    bench.store.completer.fail([Failed(job, now, now, None, error, message, traceback, **more)])  # type: ignore[arg-type]
    bench.clock.advance(10)
    return job.id


def test_failures_are_grouped_by_kind_error_and_place(bench: Bench) -> None:
    begun = bench.clock.now()
    first = fail(bench, "mail", "Gone", trace(88), "to ann")
    fail(bench, "mail", "Gone", trace(99))
    fail(bench, "img", "Gone", trace(88))
    fail(bench, "mail", "OSError", trace(88))
    second = fail(bench, "mail", "Gone", trace(88), "to bob")
    group, *others = bench.store.metrics.errors()
    assert (group.kind, group.error_type, group.place) == ("mail", "Gone", "/srv/app/smtp.py:88 send")
    assert (group.count, group.message, group.job_ids) == (2, "to bob", (second, first))
    assert (group.first_seen, group.last_seen) == (begun, begun + 40)
    assert [(other.kind, other.error_type, other.count) for other in others] == [
        ("mail", "OSError", 1),
        ("img", "Gone", 1),
        ("mail", "Gone", 1),
    ]


def test_every_failed_attempt_counts_and_its_job_is_listed_once(bench: Bench) -> None:
    (job,) = bench.enqueue()
    for _ in range(2):
        bench.fail(bench.claim()[0], retry_in=0)
        bench.clock.advance(1)
        bench.store.transitions.stage()
    (group,) = bench.store.metrics.errors()
    assert (group.count, group.job_ids, group.place) == (2, (job.id,), "")


def test_crashes_and_timeouts_are_failures(bench: Bench) -> None:
    fail(bench, "slow", "TimedOut", None, outcome=Outcome.TIMED_OUT)
    bench.running(kind="poison")
    bench.clock.advance(31)
    bench.store.transitions.rescue()
    assert {(group.kind, group.error_type) for group in bench.store.metrics.errors()} == {
        ("slow", "TimedOut"),
        ("poison", "crashed"),
    }


def test_completed_and_released_attempts_are_not_errors(bench: Bench) -> None:
    bench.complete(bench.running())
    bench.stop(bench.running())
    bench.snooze(bench.running())
    assert bench.store.metrics.errors() == []


@pytest.mark.sqlite
def test_only_the_newest_failures_are_read(bench: Bench) -> None:
    for line in range(6):
        fail(bench, "mail", "Gone", trace(line))
    assert sum(group.count for group in bench.store.metrics.errors(4)) == 4
    assert {group.place for group in bench.store.metrics.errors(1)} == {"/srv/app/smtp.py:5 send"}
    plan = bench.rows(
        "EXPLAIN QUERY PLAN SELECT 1 FROM jobdeck_attempts WHERE outcome IN ('failed', 'timed out', 'crashed')"
        " ORDER BY finished_at DESC LIMIT 9"
    )
    assert "jobdeck_failures" in plan[0][3]
    assert len(plan) == 1


def test_deleted_jobs_take_their_failures_with_them(bench: Bench) -> None:
    job_id = fail(bench, "mail", "Gone", trace(1))
    bench.store.jobs.delete([job_id])
    assert bench.store.metrics.errors() == []


@pytest.mark.parametrize(
    ("traceback", "place"),
    [
        (None, ""),
        ("SyntaxError: no frames", ""),
        (trace(7), "/srv/app/smtp.py:7 send"),
        ('  File "a.py", line 3, in <module>\n    1/0\n    ~^~\nZeroDivisionError: x\n' * 2, "a.py:3 <module>"),
        ('  + Exception Group Traceback:\n  |   File "a b.py", line 3, in f\n  | ExceptionGroup: x\n', "a b.py:3 f"),
        (trace(5) + "x" * 100_000, ""),
    ],
)
def test_the_place_is_the_last_frame(traceback: str | None, place: str) -> None:
    assert error_place(traceback) == place


def test_a_group_lists_the_times_of_its_failures(bench: Bench) -> None:
    begun = bench.clock.now()
    for _ in range(3):
        fail(bench, "mail", "Gone", trace(88))
    (group,) = bench.store.metrics.errors()
    assert group.seen_at == (begun + 20, begun + 10, begun)
    assert (group.first_seen, group.last_seen, group.count) == (group.seen_at[-1], group.seen_at[0], len(group.seen_at))


def test_a_filter_finds_the_jobs_of_a_group_by_their_newest_failure(bench: Bench) -> None:
    gone = fail(bench, "mail", "Gone", trace(88))
    fail(bench, "mail", "Gone", trace(99))
    fail(bench, "mail", "OSError", trace(88))
    (moved,) = bench.enqueue(new(kind="mail"))
    for error, line in (("Gone", 88), ("OSError", 7)):
        (claimed,) = bench.claim(1, kinds=("mail",))
        now = bench.clock.now()
        bench.store.completer.fail([Failed(claimed, now, now, now, error, "no", trace(line))])
        bench.clock.advance(1)
        bench.store.transitions.stage()
    here = 'exception:Gone place:"/srv/app/smtp.py:88 send"'
    assert list(bench.store.queries.list_ids(parse_filter(f"kind:mail {here}"))) == [gone]
    assert list(bench.store.queries.list_ids(parse_filter("exception:OSError place:*:7*"))) == [moved.id]
    assert list(bench.store.queries.list_ids(parse_filter(f"state:failed -{here}"))) == [gone + 2]


def test_a_job_that_has_completed_since_is_not_found_by_its_error(bench: Bench) -> None:
    (job,) = bench.enqueue()
    bench.fail(bench.claim()[0], retry_in=0)
    bench.clock.advance(1)
    bench.store.transitions.stage()
    assert list(bench.store.queries.list_ids(parse_filter("exception:ValueError"))) == [job.id]
    bench.complete(bench.claim()[0])
    assert list(bench.store.queries.list_ids(parse_filter("exception:ValueError"))) == []


def test_a_crash_is_found_by_its_outcome(bench: Bench) -> None:
    job = bench.running(kind="poison")
    bench.crash(job)
    assert list(bench.store.queries.list_ids(parse_filter('exception:crashed place:""'))) == [job.id]
