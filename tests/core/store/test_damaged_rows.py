"""Rows that jobdeck has not written stop no other row: P11."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from tests.core import damage
from tests.core.helpers import Bench, new, open_queue, wait_until

from jobdeck import Queue, RowDamaged, Severity, State, UndoDataDamaged, Worker
from jobdeck.store.row_rules import RULES

NOT_UTF8 = "CAST(X'6d61ff6c' AS TEXT)"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a queue with rows in every table."""
    path = tmp_path_factory.mktemp("filled") / "jobs.db"
    damage.fill(path)
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    """Return a copy of that queue."""
    return Path(shutil.copy(filled, tmp_path / "jobs.db"))


@pytest.fixture
def queue(path: Path) -> Iterator[Queue]:
    with open_queue(path, damage.registry()) as queue:
        yield queue


def write(path: Path, table: str, assignment: str, where: str) -> None:
    """Write past the schema."""
    with damage.relaxed(path, table) as connection:
        connection.execute(f"UPDATE {table} SET {assignment} WHERE {where}")
        assert connection.changes() == 1


def pending(queue: Queue) -> list[int]:
    """Return the ready jobs in queues that are not paused, oldest first."""
    return [job.id for job in queue.list("state:pending queue:default,mail", descending=False)]


@pytest.mark.sqlite
@pytest.mark.parametrize("column", ["args", "kind", "queue", "state", "tags", "unique_key"])
def test_a_job_that_is_not_utf8_fails_with_a_reason_and_the_others_run(path: Path, column: str) -> None:
    with open_queue(path, damage.registry()) as queue:
        first, *others = pending(queue)
    write(path, "jobdeck_jobs", f"{column} = {NOT_UTF8}", f"id = {first}")
    with open_queue(path, damage.registry()) as queue, Worker(queue, threads=1):
        wait_until(lambda: all(queue.get(job_id).state is State.COMPLETED for job_id in others))
        if column == "tags":  # it can do without
            assert queue.wait(first, timeout=10).state is State.COMPLETED
            return
        job = queue.get(first)
        assert (job.state, str(job.reason)) == (State.FAILED, "damaged")
        assert job.error is not None
        assert column in job.error
        assert "ma\\xffl" in [*queue.logs(first)][-1].text
        queue.delete(first)
        assert first not in queue.ids()
        assert not queue.queue_stats()[0].info.counts.get(State.RUNNING)


@pytest.mark.sqlite
def test_a_worker_that_claims_a_damaged_job_fails_it_and_runs_the_others(queue: Queue, path: Path) -> None:
    first, *others = pending(queue)
    with Worker(queue, threads=1, queues=["nowhere"]):
        write(path, "jobdeck_jobs", f"args = {NOT_UTF8}", f"id = {first}")
    with Worker(queue, threads=1):
        wait_until(lambda: all(job.state is State.COMPLETED for job in queue.get_many(others)))
    assert queue.get(first).state is State.FAILED


@pytest.mark.sqlite
def test_the_dependents_of_a_damaged_job_are_resolved(queue: Queue, path: Path) -> None:
    parent = queue.enqueue(damage.KIND, {})
    child = queue.enqueue(damage.KIND, {}, after=[parent.id])
    write(path, "jobdeck_jobs", f"args = {NOT_UTF8}", f"id = {parent.id}")
    assert queue.get(parent.id).state is State.FAILED
    assert queue.get(child.id).state is State.CANCELLED


@pytest.mark.sqlite
def test_a_final_job_stays_final_and_keeps_what_can_be_read(queue: Queue, path: Path) -> None:
    (job,) = queue.list("state:completed", limit=1)
    write(path, "jobdeck_jobs", f"result = {NOT_UTF8}, finished_at = 9e999", f"id = {job.id}")
    found = queue.get(job.id)
    assert (found.state, found.result) == (State.COMPLETED, "ma\\xffl")
    assert found.finished_at == pytest.approx(queue.clock.now(), abs=60)


@pytest.mark.sqlite
def test_a_damaged_schedule_is_paused_with_an_error_and_the_others_tick(queue: Queue, path: Path) -> None:
    queue.schedules.add("hourly", "0 * * * *", damage.KIND, {})
    write(path, "jobdeck_schedules", f"cron = {NOT_UTF8}, next_at = 5.0", "name = 'nightly'")
    write(path, "jobdeck_schedules", "next_at = 6.0", "name = 'hourly'")
    with Worker(queue, threads=1):
        wait_until(lambda: queue.schedules.get("hourly").last_job)
    nightly = queue.schedules.get("nightly")
    assert nightly.paused_at is not None
    assert nightly.error is not None
    assert "damaged (cron)" in nightly.error


@pytest.mark.sqlite
def test_a_damaged_queue_keeps_what_can_be_read(queue: Queue, path: Path) -> None:
    write(path, "jobdeck_queues", "rate_period = 9e999", "name = 'mail'")
    write(path, "jobdeck_queues", f"name = {NOT_UTF8}, paused_at = 1e300", "name = 'paused'")
    found = {each.name: each for each in queue.queues()}
    assert (found["mail"].limits.running, found["mail"].limits.rate) == (5, None)
    assert found["ma\\xffl"].paused_at == pytest.approx(queue.clock.now(), abs=60)


@pytest.mark.sqlite
def test_a_bit_that_flips_in_a_table_and_not_in_its_indexes_fails_that_job_only(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    # The row in the table has the arguments after the state; the indexes have not.
    at = content.index(b"defaultpending")
    content[at + 10] ^= 1
    path.write_bytes(content)
    with open_queue(path, damage.registry()) as queue:
        jobs = [job for job in queue.list() if job.reason == "damaged"]
        assert [job.state for job in jobs] == [State.FAILED]
        found = {each.check: each.severity for each in queue.maintenance.doctor(full=True)}
        assert found["integrity"] is found["rows"] is found["counters"] is Severity.OK
        with Worker(queue, threads=1):
            wait_until(lambda: not pending(queue))


@pytest.mark.sqlite
def test_the_doctor_names_damaged_rows_and_repairs_them(path: Path) -> None:
    write(path, "jobdeck_jobs", "created_at = 9e999", "id = 4")
    write(path, "jobdeck_attempts", "outcome = 'perhaps'", "job_id = 1")
    with open_queue(path, damage.registry()) as queue:
        (found,) = [each for each in queue.maintenance.doctor() if each.check == "rows"]
        assert found.severity is Severity.PROBLEM
        assert "2 rows are damaged: job 4 (created_at), attempt of job 1 (outcome)" in found.message
        assert any("job 4 (created_at)" in each.message for each in queue.maintenance.repair())
        assert {each.severity for each in queue.maintenance.doctor() if each.check == "rows"} == {Severity.OK}


@pytest.mark.sqlite
def test_a_queue_with_a_damaged_row_can_be_backed_up(path: Path, tmp_path: Path) -> None:
    write(path, "jobdeck_attempts", "outcome = NULL", "job_id = 1")
    with open_queue(path, damage.registry()) as queue:
        assert queue.maintenance.backup(tmp_path / "copy.db").jobs == queue.count()


@pytest.mark.sqlite
def test_undo_data_with_a_flipped_bit_undoes_nothing(queue: Queue, path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    blob = bytearray(connection.execute("SELECT before FROM jobdeck_journal_parts ORDER BY act DESC LIMIT 1").get)
    blob[len(blob) // 2] ^= 4
    connection.execute(
        "UPDATE jobdeck_journal_parts SET before = ? WHERE act = (SELECT max(act) FROM jobdeck_journal_parts)", (bytes(blob),)
    )
    connection.close()
    before = queue.count_states()
    with pytest.raises(UndoDataDamaged, match=r"The undo data of journal entry \d+ is damaged"):
        queue.journal.undo()
    assert queue.count_states() == before


@pytest.mark.parametrize("column", ["created_at", "scheduled_at", "expires_at", "timeout"])
@pytest.mark.parametrize("value", [float("inf"), -1e300])
def test_a_job_with_an_impossible_time_stops_no_other(bench: Bench, column: str, value: float) -> None:
    bad, good = bench.enqueue(new(), new())
    with bench.store.transaction() as connection:
        connection.execute(f"UPDATE jobdeck_jobs SET {column} = ? WHERE id = ?", (value, bad.id))
    found = bench.get(bad)
    assert found.state is (State.PENDING if column == "created_at" else State.FAILED)
    assert getattr(found, column) is None or abs(getattr(found, column)) < 1e11
    assert good.id in {job.id for job in bench.claim(2)}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobdeck_attempts SET outcome = 'perhaps'",
        "UPDATE jobdeck_attempts SET started_at = -9e99",
        "UPDATE jobdeck_jobs SET reason = 'because' WHERE state = 'failed'",
        "UPDATE jobdeck_jobs SET finished_at = 9e99 WHERE state = 'failed'",
        "UPDATE jobdeck_logs SET at = 9e99",
        "UPDATE jobdeck_workers SET queues = '[1'",
        "UPDATE jobdeck_workers SET stopping = '[1, [2, null]]', heartbeat_at = 9e99",
        "UPDATE jobdeck_queues SET paused_at = -9e99",
        "UPDATE jobdeck_journal SET at = 9e99, act = 'dance'",
        "UPDATE jobdeck_schedules SET next_at = 9e99, created_at = 9e99",
        "UPDATE jobdeck_depths SET oldest = 9e99",
    ],
)
def test_damage_in_any_table_is_repaired_by_who_reads_it(bench: Bench, statement: str) -> None:
    failed = bench.running()
    bench.store.logs.append([(failed.id, 1, bench.clock.now(), "info", "text")], 1000)
    bench.fail(failed)
    bench.store.queues.pause("mail")
    with Queue(bench.address) as queue:
        queue.schedules.add("nightly", "0 4 * * *", "shell", {"command": ["true"]})
        bench.store.metrics.sample_depths()
        with bench.store.transaction() as connection:
            connection.execute(statement)
        queue.list()
        queue.attempts(failed.id)
        queue.logs(failed.id)
        queue.overview()
        queue.queue_stats()
        queue.schedules.list()
        queue.journal.entries()
        queue.explain(failed.id)


def test_a_bug_is_raised_although_rows_were_searched_for_damage_and_the_search_is_rare(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    monkeypatch.setattr("jobdeck.store.damaged_rows.find_damaged_rows", lambda *_: iter(searched.append(1) or ()))

    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("jobdeck.store.queries.job_details.make_attempt", broken)
    bench.fail(bench.running())
    for _ in range(3):
        with pytest.raises(KeyError, match="a bug"):
            bench.store.reader.attempts(1)
    assert len(searched) == 1


@pytest.mark.sqlite
def test_a_row_that_cannot_be_repaired_is_one_sentence(queue: Queue, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, "jobdeck_jobs", f"args = {NOT_UTF8}", "id = 4")
    monkeypatch.setattr("jobdeck.store.damaged_rows.find_damaged_rows", lambda *_: iter(()))
    with pytest.raises(RowDamaged, match=r"^A stored row is damaged \(a text is not UTF-8\); `jobdeck doctor` names"):
        queue.list()


@pytest.mark.sqlite
@pytest.mark.parametrize("seed", range(2))
def test_any_value_of_any_table_may_be_damaged(filled: Path, tmp_path: Path, seed: int) -> None:
    """Try a few of them; `tests/soak/damaged.py` tries all."""
    chosen = [*damage.damages(filled, seed)][seed * 31 :: 211]
    for each in chosen:
        for old in tmp_path.iterdir():
            old.unlink()
        path = Path(shutil.copy(filled, tmp_path / "jobs.db"))
        if damage.apply(path, each):
            assert damage.survives(path) == [], str(each)


VALUES = {
    "real": (float("inf"), float("-inf"), float("nan"), 1e300, -1e300),
    "integer": (-(2**31), 2**31 - 1, -1, 0),
    "text": ("", "perhaps", "[1,", "{}", "[[1]]", "null", "9" * 5000, "[" * 5000),
}
"""Values that the schema takes, by the type of the column."""
EACH = 41
"""One in so many of all combinations is tried: others with each new column."""


def test_any_value_that_the_schema_takes_stops_nothing(bench: Bench) -> None:
    damage.fill(bench.address)
    chosen = [
        (table, column, value)
        for table, rule in RULES.items()
        for column, each in rule.columns.items()
        for value in VALUES.get(each.type, ())
    ][::EACH]
    failed = {}
    for table, column, value in chosen:
        try:
            with bench.store.transaction() as connection:
                connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
        except Exception:  # the schema does not take it
            continue
        problems = damage.survives(bench.address)
        if problems:
            failed[table, column, value] = problems
    assert failed == {}
