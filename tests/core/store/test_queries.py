"""Lists, counts, filters and the overview."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from tests.core.helpers import Bench, new

from jobdeck import Condition, Job, State, parse_filter
from jobdeck.model.filter import EVERY_JOB, FIELDS
from jobdeck.store.queries.pagination import SORTS


@pytest.fixture
def jobs(bench: Bench) -> dict[str, Job]:
    """Return a queue with data for every field of the filter language."""
    clock = bench.clock
    (old,) = bench.enqueue(
        new("mail.send", "mail", 5, args_json='{"to":"ann@example.org","user":{"id":42}}', tags=("vip", "eu"))
    )
    clock.advance(7200)
    (failed,) = bench.enqueue(new("img.resize", "img", -1, args_json='{"path":"a_b.png","dry":true,"sizes":[10,20]}'))
    (again,) = bench.enqueue(new("img.crop", "img", args_json='{"path":"axb.png","ratio":1.5,"note":null}', tags=("eu",)))
    bench.fail(bench.claim(1, kinds=("img.resize",))[0], error="TimeoutError", message="took 100% too long")
    bench.fail(bench.claim(1, kinds=("img.crop",))[0], retry_in=500, error="OSError")
    bench.change(
        "UPDATE jobdeck_attempts SET traceback = ? WHERE job_id = ?", '  File "tasks.py", line 7, in crop\nOSError\n', again.id
    )
    (running,) = bench.enqueue(new("mail.sort", "mail", 1, args_json='{"n":7}'))
    bench.claim(1, worker="host:7:ab", kinds=("mail.sort",))
    clock.advance(30)
    (broken,) = bench.enqueue(new("mail.send", "mail", args_json="{}", scheduled_at=clock.now() + 60))
    bench.change("UPDATE jobdeck_jobs SET args = 'not json', tags = 'nor this' WHERE id = ?", broken.id)
    bench.change("UPDATE jobdeck_jobs SET reason = 'given up', crashes = 2 WHERE id = ?", failed.id)
    bench.change("UPDATE jobdeck_jobs SET unique_key = 'crop-a_b', batch = 7 WHERE id = ?", again.id)
    return {name: bench.get(job) for name, job in locals().items() if isinstance(job, Job)}


FILTERS = [
    ("", "old failed again running broken"),
    ("state:failed", "failed"),
    ("state:failed,retrying", "failed again"),
    ("-state:pending", "failed again running broken"),
    ("queue:mail", "old running broken"),
    ("queue:m*", "old running broken"),
    ("queue:mail,img", "old failed again running broken"),
    ("kind:img.*", "failed again"),
    ("kind:img.?rop", "again"),
    ("-kind:mail.* state:failed", "failed"),
    ("kind:shell", ""),
    ("name:send", ""),  # see test_command_names.py
    ("-name:send", "old failed again running broken"),
    ("tag:eu", "old again"),
    ("tag:v*", "old"),
    ("-tag:eu", "failed running broken"),
    ("tag:eu tag:vip", "old"),
    ("worker:host:7:ab", "running"),
    ("worker:host*", "running"),
    ("priority:5", "old"),
    ("priority>=1", "old running"),
    ("priority<0", "failed"),
    ("priority:-1", "failed"),
    ("attempt:1", "failed again running"),
    ("attempt<1", "old broken"),
    ("age>1h", "old"),
    ("age<=30s", "failed again running broken"),
    ("run>=30s", "running"),
    ("run<1s", "failed"),
    ("-run>=30s", "old failed again broken"),
    ("wait>5s", "old"),
    ("wait<5s", "failed running"),
    ("wait:0s", "failed running"),
    ("-wait>5s", "failed again running broken"),
    ("reason:given-up", "failed"),
    ('reason:"given up"', "failed"),
    ("reason:g*", "failed"),
    ("reason:expired,given", "failed"),
    ("-reason:given", "old again running broken"),
    ("unique:crop-a_b", "again"),
    ("unique:crop*", "again"),
    ("-unique:crop*", "old failed running broken"),
    ("batch:7", "again"),
    ("batch:7,8 state:retrying", "again"),
    ("batch:8", ""),
    ("batch>=7", "again"),
    ("crashes>0", "failed"),
    ("crashes:0", "old again running broken"),
    ("run>30s kind:mail.*", ""),
    ("state:failed queue:mail", ""),
    ("error:timeout", "failed"),
    ("error:100%", "failed"),
    ("error:1__%", ""),
    ("error:*took*long", "failed"),
    ("-error:timeout", "old again running broken"),
    ("exception:TimeoutError", "failed"),
    ("exception:*Error", "failed again"),
    ("-exception:OSError", "old failed running broken"),
    ('place:"tasks.py:7 crop"', "again"),
    ('place:""', "failed"),
    ("place:tasks.py:*", "again"),
    ("args.to:ann@example.org", "old"),
    ("args.user.id:42", "old"),
    ("args.user.id:4?", "old"),
    ("args.sizes.1:20", "failed"),
    ("args.ratio:1.5", "again"),
    ("args.dry:true", "failed"),
    ("args.note:null", "again"),
    ("-args.n:7", "old failed again broken"),
    ("args.missing:x", ""),
    ("ann@EXAMPLE", "old"),
    ("a_b", "failed"),
    ("vip", "old"),
    ("TimeoutError", "failed"),
    ('"not json"', "broken"),
    ("-mail", "failed again"),
    ("mail -state:running age>1h", "old"),
]


@pytest.mark.parametrize(("text", "names"), FILTERS)
def test_a_filter_finds_the_jobs_it_describes(bench: Bench, jobs: dict[str, Job], text: str, names: str) -> None:
    expected = sorted(jobs[name].id for name in names.split())
    condition = parse_filter(text)
    assert [job.id for job in bench.store.queries.list(condition, limit=100, descending=False)] == expected
    assert list(bench.store.queries.list_ids(condition, descending=False)) == expected
    assert bench.store.queries.count(condition) == len(expected)


def test_an_id_is_found_by_number_and_by_range(bench: Bench, jobs: dict[str, Job]) -> None:
    failed, again = jobs["failed"].id, jobs["again"].id
    assert list(bench.store.queries.list_ids(parse_filter(f"id:{failed},{again}"), descending=False)) == [failed, again]
    assert list(bench.store.queries.list_ids(parse_filter(f"id<={failed}"), descending=False)) == [jobs["old"].id, failed]


def test_every_field_of_the_filter_language_is_tested() -> None:
    tried = {term.field for text, _ in FILTERS for term in parse_filter(text).terms} | {
        "id",
        "schedule",
    }  # schedules have their own tests
    assert set(FIELDS) <= tried


WRITTEN = [
    ('{"a": "x y"}', 'args.a:"x y"'),
    ('{"a": "\\u0078 y"}', 'args.a:"x y"'),
    ('{"\\u0061": "x"}', "args.a:x"),
    ('{"a": [1, 2]}', "args.a.1:2"),
    ('{"a": [1, 2]}', 'args.a:"[?,2]"'),
    ('{"a": {"b" : [1, "c d"]}}', "args.a:*1*c?d*"),
    ('{"a": "back\\\\slash"}', r"args.a:back\slash"),
    ('{"a": "b\\/c"}', "args.a:b/c"),
    ('{"a": "é"}', "args.a:é"),
    ('{"a": "\\u00e9"}', "args.a:é"),
    ('{"a": ""}', 'args.a:""'),
    ('{"a": 1.50}', "args.a:1.50"),
    ('{"a": "*"}', "args.a:?"),
]


@pytest.mark.parametrize(("args", "text"), WRITTEN)
def test_an_argument_is_found_however_its_json_is_written(bench: Bench, args: str, text: str) -> None:
    (job, _) = bench.enqueue(new(args_json=args), new(args_json='{"b": "x y"}'))
    assert list(bench.store.queries.list_ids(parse_filter(text))) == [job.id]


@pytest.mark.parametrize("args", ["", "[", '{"a": }', '{"a": "\\ud800"}', "[" * 20_000, '"a"', "null", '{"a": [7]}'])
def test_invalid_arguments_match_no_condition(bench: Bench, args: str) -> None:
    (broken, job) = bench.enqueue(new(), new(args_json='{"a": {"b": 7}}'))
    bench.change("UPDATE jobdeck_jobs SET args = ? WHERE id = ?", args, broken.id)
    assert list(bench.store.queries.list_ids(parse_filter("args.a.b:7"))) == [job.id]
    assert list(bench.store.queries.list_ids(parse_filter("args.a.b:?"))) == [job.id]
    assert list(bench.store.queries.list_ids(parse_filter("-args.a.b:7"))) == [broken.id]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [True, False])
def test_a_list_is_sorted_as_requested(bench: Bench, jobs: dict[str, Job], sort: str, descending: bool) -> None:
    listed = bench.store.queries.list(EVERY_JOB, limit=10, sort=sort, descending=descending)
    assert [job.id for job in listed] == list(bench.store.queries.list_ids(EVERY_JOB, sort=sort, descending=descending))
    keys = {
        "id": lambda job: job.id,
        "age": lambda job: job.created_at,
        "took": lambda job: None if job.finished_at is None else job.finished_at - (job.started_at or 0),
        "due": lambda job: job.scheduled_at,
        "started": lambda job: job.started_at,
        "finished": lambda job: job.finished_at,
        "wait": lambda job: _wait(job, bench.clock.now()),
        "tags": lambda job: json.dumps(job.tags, separators=(",", ":")) if job.tags else None,
        "unique": lambda job: job.unique_key,
        "args": lambda job: job.args_json,
    }
    values = [keys.get(sort, lambda job: getattr(job, sort))(job) for job in listed]
    told = [value for value in values if value is not None]
    assert told == sorted(told, reverse=descending)
    assert values == told + [None] * (len(values) - len(told))


def _wait(job: Job, now: float) -> float | None:
    if job.state is State.PENDING:
        return now - job.scheduled_at
    begun = job.started_at is not None and job.started_at >= job.scheduled_at
    if job.started_at is not None and begun and (job.state is State.RUNNING or job.finished_at is not None):
        return job.started_at - job.scheduled_at
    return None


@pytest.mark.parametrize("text", ["", "state:failed,pending", "queue:mail", "age>0", "wait>0 state:pending"])
def test_the_jobs_of_each_state_are_counted(bench: Bench, jobs: dict[str, Job], text: str) -> None:
    found = Counter(job.state for job in bench.store.queries.list(parse_filter(text), limit=100))
    assert bench.store.queries.count_states(parse_filter(text)) == found


def test_ids_of_any_size_are_listed_unchanged(bench: Bench) -> None:
    bench.enqueue(new())
    bench.store.jobs.delete([1])
    bench.pass_ids(2**62)
    (large,) = (job.id for job in bench.enqueue(new()))
    assert large > 2**62
    assert list(bench.store.queries.list_ids(EVERY_JOB)) == [large]
    assert list(bench.store.queries.list_ids(parse_filter("id:7"))) == []


def test_a_list_stops_at_its_limit(bench: Bench, jobs: dict[str, Job]) -> None:
    assert len(bench.store.queries.list(EVERY_JOB, limit=2)) == 2
    assert len(bench.store.queries.list_ids(EVERY_JOB, limit=3)) == 3


def test_jobs_are_read_in_order_of_id_without_deleted_ones(bench: Bench, jobs: dict[str, Job]) -> None:
    wanted = [jobs["running"].id, 999, jobs["old"].id]
    assert [job.id for job in bench.store.reader.get_many(wanted)] == [jobs["running"].id, jobs["old"].id]


def test_an_invalid_row_does_not_break_a_list(bench: Bench, jobs: dict[str, Job]) -> None:
    from jobdeck import InvalidPayload

    broken = bench.get(jobs["broken"])
    assert broken.tags == ()
    with pytest.raises(InvalidPayload):
        _ = broken.args


@pytest.mark.parametrize("count", [1, 64])
def test_a_filter_of_maximum_size_is_answered(bench: Bench, jobs: dict[str, Job], count: int) -> None:
    assert bench.store.queries.count(parse_filter(" ".join(["-x*y"] * count))) == 5
    assert bench.store.queries.count(parse_filter("id:" + ",".join(["1"] * 4000))) == 1
    assert bench.store.queries.count(parse_filter("kind:" + ",".join(["m*"] * 64))) == 3


def test_a_condition_without_terms_matches_every_job(bench: Bench, jobs: dict[str, Job]) -> None:
    assert bench.store.queries.count(Condition()) == 5


def test_queues_show_their_depth_by_state(bench: Bench, jobs: dict[str, Job]) -> None:
    found = {info.name: dict(info.counts) for info in bench.store.queries.queues()}
    assert found == {
        "mail": {State.PENDING: 1, State.RUNNING: 1, State.SCHEDULED: 1},
        "img": {State.FAILED: 1, State.RETRYING: 1},
    }


def test_the_overview_is_a_consistent_snapshot(bench: Bench, jobs: dict[str, Job]) -> None:
    seen = bench.store.queries.overview(seconds=600, slices=60, lease=30)
    assert seen.at == bench.clock.now()
    assert {state: n for state, n in seen.counts.items() if n} == {
        State.PENDING: 1,
        State.RUNNING: 1,
        State.SCHEDULED: 1,
        State.FAILED: 1,
        State.RETRYING: 1,
    }
    assert [job.id for job in seen.running] == [jobs["running"].id]
    assert [queue.name for queue in seen.queues] == ["img", "mail"]
    assert seen.next_due_at == jobs["broken"].scheduled_at
    assert len(seen.slices) == 60


def test_the_running_jobs_of_the_overview_are_oldest_claim_first(bench: Bench) -> None:
    bench.enqueue(new(), new(priority=5))
    (first,) = bench.claim()
    bench.clock.advance(1)
    (second,) = bench.claim()
    assert [job.id for job in bench.store.queries.overview(seconds=60, slices=6, lease=30).running] == [first.id, second.id]


def test_the_version_changes_with_every_write_and_only_then(bench: Bench) -> None:
    before = bench.store.version()
    assert before is not None
    bench.store.queries.list(EVERY_JOB, limit=10)
    assert bench.store.version() == before
    (job,) = bench.enqueue(new())
    after = bench.store.version()
    assert after != before
    bench.store.reader.get_many([job.id])
    assert bench.store.version() == after
    bench.claim(1)
    assert bench.store.version() != after
