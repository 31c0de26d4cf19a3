"""Commands have names, which tell them apart wherever jobs are counted, measured, listed or grouped by kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobdeck import InvalidHandler, InvalidOption, Queue, Registry, State, job
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck.testing import drain


@pytest.fixture
def queue(address: str) -> Iterator[Queue]:
    with Queue(address, registry=Registry()) as queue:
        yield queue


def run(queue: Queue, *command: str, **options: Any) -> int:
    return queue.enqueue("shell", {"command": [*command]}, **{"max_attempts": 1, **options}).id


def sh(queue: Queue, line: str, **options: Any) -> int:
    return queue.enqueue("shell", {"command": [line], "shell": True}, **{"max_attempts": 1, **options}).id


def assert_counted(queue: Queue) -> None:
    assert not [each.message for each in queue.maintenance.doctor() if "counted" in each.message]


def test_a_command_is_named_by_its_program_or_by_a_person(queue: Queue) -> None:
    run(queue, "/usr/bin/env", "A=1", "./pack.sh")
    sh(queue, "cd / && exit 3")
    run(queue, "gzip", name="nightly backup")
    queue.enqueue("shell:weekly", {"command": ["gzip"]})
    assert [job.kind for job in queue.list(sort="id", descending=False)] == [
        *("shell:pack.sh", "shell:exit", "shell:nightly backup", "shell:weekly")
    ]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101, 3])
def test_a_name_is_short_and_printable(queue: Queue, name: Any) -> None:
    with pytest.raises(InvalidOption, match="name must have 1 to 100 printable"):
        run(queue, "true", name=name)


def test_only_commands_have_names_and_a_name_is_given_once(queue: Queue) -> None:
    @job(name="mail.send", registry=queue.registry)
    def send() -> None: ...

    with pytest.raises(InvalidOption, match=r"not for mail\.send"):
        queue.enqueue("mail.send", name="x")
    with pytest.raises(InvalidOption, match="must be that of the kind, 'a'"):
        queue.enqueue("shell:a", {"command": ["true"]}, name="b")
    with pytest.raises(InvalidHandler, match="those of commands"):
        job(name="shell:mine", registry=queue.registry)(send)


def test_filters_find_commands_by_name_and_all_of_them_by_kind(queue: Queue) -> None:
    tar, gzip, other = run(queue, "tar"), run(queue, "gzip", "x"), run(queue, "gzip-it")
    assert list(queue.ids("name:gzip")) == [gzip]
    assert list(queue.ids("name:gzip*")) == [other, gzip]
    assert list(queue.ids("kind:shell:gzip,shell:tar")) == [gzip, tar]
    assert list(queue.ids("kind:shell")) == [other, gzip, tar]
    assert list(queue.ids("kind:shell state:pending", sort="priority")) == [other, gzip, tar]
    assert list(queue.ids("-name:gzip")) == [other, tar]
    assert not queue.ids("-kind:shell")
    assert (queue.count("name:gzip"), queue.count("kind:shell"), queue.count("-kind:shell")) == (1, 3, 0)
    assert queue.count_states("name:tar state:pending") == {State.PENDING: 1}


def test_the_history_of_a_name_is_its_own_and_that_of_the_kind_has_all(queue: Queue) -> None:
    run(queue, "true")
    run(queue, "true")
    run(queue, "false")
    drain(queue, raise_errors=False)
    by_kind = queue.history.metrics(by="kind").groups
    assert {kind: (each.completed, each.failed) for kind, each in by_kind.items()} == {
        "shell:true": (2, 0), "shell:false": (0, 1),
    }  # fmt: skip
    assert queue.history.metrics(kind="shell:true").total.run.count == 2
    assert queue.history.metrics(kind="shell").total.run.count == 3
    run(queue, "true")
    assert queue.history.metrics(kind="shell").pending == 1
    assert queue.history.metrics(kind="shell:false").pending == 0


def test_failed_commands_are_grouped_by_name_exit_and_last_line_of_errors(queue: Queue) -> None:
    first = [sh(queue, f"echo {n} >&2; echo 'worker {n}: no luck' >&2; exit 3", name="job") for n in (1, 22)]
    sh(queue, "echo 'worker 1: no luck' >&2; exit 4", name="job")
    sh(queue, "echo other >&2; exit 3", name="job")
    sh(queue, "echo 'worker 1: no luck' >&2; exit 3", name="other")
    sh(queue, "kill -9 $$")
    drain(queue, raise_errors=False)
    groups = queue.history.errors()
    assert [
        (each.kind, each.error_type, each.place, each.count) for each in sorted(groups, key=lambda each: each.last_seen)
    ] == [
        ("shell:job", "exit code 3", "worker #: no luck", 2),
        ("shell:job", "exit code 4", "worker #: no luck", 1),
        ("shell:job", "exit code 3", "other", 1),
        ("shell:other", "exit code 3", "worker #: no luck", 1),
        ("shell:kill", "killed by SIGKILL", "", 1),
    ]
    assert list(queue.ids('kind:shell:job exception:"exit code 3" place:"worker #: no luck"')) == first[::-1]
    assert queue.count('exception:"killed by *" place:""') == 1
    assert queue.get(first[0]).error == "exit code 3: 1 worker 1: no luck"
    assert next(iter(queue.list("name:kill"))).error == "killed by SIGKILL"


def test_a_name_survives_retries_and_operations_that_are_undone(queue: Queue) -> None:
    job_id = sh(queue, "exit 1", name="mine")
    drain(queue, raise_errors=False)
    queue.retry(job_id)
    queue.delete(job_id)
    queue.journal.undo()
    assert queue.get(job_id).kind == "shell:mine"
    assert queue.count("name:mine state:pending") == 1


def test_an_edited_command_keeps_the_name_that_a_person_gave_it(queue: Queue) -> None:
    mine, plain = run(queue, "gzip", name="mine"), run(queue, "gzip")
    for each in (mine, plain):
        queue.edit(each, {"command": ["tar"]})
    assert [queue.get(each).kind for each in (mine, plain)] == ["shell:mine", "shell:tar"]
    assert queue.count("name:tar") == 1
    queue.journal.undo()
    assert (queue.get(plain).kind, queue.count("name:gzip"), queue.count("name:tar")) == ("shell:gzip", 1, 0)
    assert queue.edit(mine, name="yours").kind == "shell:yours"
    assert queue.journal.of_job(mine)[-1].summary == f"edited the name of job {mine}"
    queue.edit(plain, priority=3)
    assert queue.get(plain).kind == "shell:gzip"
    assert_counted(queue)


def test_a_command_that_replaces_another_under_a_unique_key_brings_its_name(queue: Queue) -> None:
    first = run(queue, "gzip", unique="k")
    assert run(queue, "tar", unique="k", on_conflict="replace") == first
    assert (queue.get(first).kind, queue.count("name:tar"), queue.count("name:gzip")) == ("shell:tar", 1, 0)
    assert_counted(queue)


def test_many_commands_at_once_have_their_own_names(queue: Queue) -> None:
    ids = queue.enqueue_bulk("shell", [{"command": ["gzip"]}, {"command": ["tar"]}, {"command": ["gzip"]}])
    assert [queue.get(each).kind for each in ids] == ["shell:gzip", "shell:tar", "shell:gzip"]
    same = queue.enqueue_bulk("shell", [{"command": ["gzip"]}, {"command": ["tar"]}], name="both")
    assert [queue.get(each).kind for each in same] == ["shell:both"] * 2
    batch = queue.batches.enqueue(
        [queue.new_job("shell", {"command": ["gzip"]}), queue.new_job("shell:x", {"command": ["gzip"]})]
    )
    assert [job.kind for job in queue.list(f"batch:{batch.id}")] == ["shell:x", "shell:gzip"]
    assert_counted(queue)


def test_jobs_of_a_schedule_have_the_name_of_its_command(queue: Queue) -> None:
    queue.schedules.add("a", "@daily", "shell", {"command": ["./backup.sh"]})
    queue.schedules.add("b", "@daily", "shell:mine", {"command": ["./backup.sh"]})
    assert [queue.schedules.run(name).kind for name in "ab"] == ["shell:backup.sh", "shell:mine"]
    for name in "ab":
        queue.schedules.edit(name, args={"command": ["./other.sh"]})
        queue.schedules.edit(name, priority=4)
    assert [queue.schedules.run(name).kind for name in "ab"] == ["shell:other.sh", "shell:mine"]


def test_a_limit_of_the_kind_counts_commands_of_all_names(address: str) -> None:
    registry = Registry()

    @job(name="shell", concurrency=1, registry=registry)
    def shell(command: list[str]) -> None: ...

    with Queue(address, registry=registry) as queue:
        run(queue, "a")
        run(queue, "b")
        request = ClaimRequest("w", 5, kinds=registry.kinds, limits=registry.limits, queues=(), lease=30)
        assert len(queue.store.claimer.claim(request)) == 1
        assert not queue.store.claimer.claim(request)
        waiting = next(iter(queue.ids("state:pending")))
        assert any(check.name == "kind limit" and not check.met for check in queue.explain(waiting).checks)
