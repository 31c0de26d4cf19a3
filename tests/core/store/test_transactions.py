"""Transactions, and the notifications after them."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.helpers import STORES, Bench, FakeClock, new, wait_until

from jobdeck import NewJob, RowRefused, State, StoreFailed


def enqueue_and_fail(bench: Bench, *jobs: NewJob) -> None:
    with bench.store.transaction():
        bench.enqueue(*jobs)
        raise KeyError


@pytest.fixture
def short() -> Iterator[Path]:
    """Return a temporary folder with a short path: the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="jd") as folder:
        yield Path(folder)


def test_all_changes_of_a_transaction_become_visible_at_once(bench: Bench) -> None:
    with bench.store.transaction():
        bench.enqueue(new(), new())
        bench.store.queues.pause("mail")
        assert bench.rows("SELECT count(*) FROM jobdeck_jobs") == [(0,)]
    assert bench.counts() == {State.PENDING: 2}
    assert [queue.name for queue in bench.store.queries.queues()] == ["default", "mail"]


def test_a_failed_transaction_changes_nothing(bench: Bench) -> None:
    with pytest.raises(KeyError):
        enqueue_and_fail(bench, new(), new())
    assert bench.counts() == {}
    bench.check_counters()


def test_a_failed_nested_transaction_is_rolled_back_and_the_rest_is_kept(bench: Bench) -> None:
    with bench.store.transaction():
        bench.enqueue(new(queue="kept"))
        with pytest.raises(RowRefused):
            bench.enqueue(new(queue="lost"), new(args_json="\ud800"))
        with pytest.raises(KeyError):
            enqueue_and_fail(bench, new(queue="lost too"))
        bench.enqueue(new(queue="kept too"))
    assert [queue.name for queue in bench.store.queries.queues()] == ["kept", "kept too"]
    bench.check_counters()


def test_an_exception_of_the_caller_in_a_transaction_is_raised_unchanged(bench: Bench) -> None:
    with pytest.raises(UnicodeEncodeError), bench.store.transaction():
        "\ud800".encode()


def test_listeners_are_notified_after_the_commit_and_not_before(bench: Bench) -> None:
    seen: list[int] = []
    rung = threading.Event()

    def wake() -> None:
        seen.append(len(bench.rows("SELECT id FROM jobdeck_jobs")))
        rung.set()

    with bench.store.notifier.listen(wake):
        with bench.store.transaction():
            bench.enqueue()
            assert not rung.wait(0.05)
        assert rung.wait(5)
    assert seen == [1]


def test_listeners_are_not_notified_of_rolled_back_changes(bench: Bench) -> None:
    rung = threading.Event()
    with bench.store.notifier.listen(rung.set):
        with pytest.raises(KeyError):
            enqueue_and_fail(bench, new())
        assert not rung.wait(0.05)


def test_listeners_are_not_notified_if_no_job_becomes_claimable(bench: Bench) -> None:
    job = bench.running()
    rung = threading.Event()
    with bench.store.notifier.listen(rung.set):
        bench.complete(job)
        bench.store.completer.release([])
        bench.store.jobs.cancel([999])
        bench.store.transitions.rescue()
        assert not rung.wait(0.05)


def test_a_closed_store_reports_it(bench: Bench) -> None:
    bench.store.close()
    with pytest.raises(StoreFailed, match="it was closed"):
        bench.enqueue()


def test_a_close_does_not_wait_for_another_threads_query(bench: Bench) -> None:
    bench.enqueue(*(new(args_json='{"x":"%s"}' % ("y" * 200)) for _ in range(2000)))
    from jobdeck import parse_filter

    errors: list[Exception] = []
    begun = threading.Event()

    def search() -> None:
        try:
            while True:
                begun.set()
                bench.store.queries.count(parse_filter(" ".join(["-z*z*z*z"] * 60)))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    begun.wait(5)
    bench.store.close()
    thread.join(5)
    assert [str(error).endswith("it was closed.") for error in errors] == [True]


def test_a_thread_that_opens_its_connection_after_a_change_of_folder_finds_the_file(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bench = Bench(STORES["sqlite"](Path("here.db"), clock), clock, tmp_path / "here.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    thread = threading.Thread(target=bench.enqueue)
    thread.start()
    thread.join()
    assert bench.counts() == {State.PENDING: 1}
    assert list((tmp_path / "elsewhere").iterdir()) == []
    bench.store.close()


@pytest.mark.sqlite
def test_a_deleted_file_is_an_error_and_not_a_new_queue(bench: Bench) -> None:
    bench.path.unlink()
    problems: list[Exception] = []

    def look() -> None:
        try:
            bench.store.reader.get(1)
        except Exception as error:
            problems.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert "was deleted or moved away" in str(problems[0])
    assert not bench.path.exists()


def test_a_dead_listener_is_removed_and_foreign_files_are_kept(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobdeck.store.notifier import SocketNotifier

    monkeypatch.setattr("tempfile.tempdir", str(short))
    bell = SocketNotifier(short / "jobs.db")
    with bell.listen(lambda: None):
        (folder,) = (entry for entry in short.iterdir() if entry.is_dir())
    assert not folder.exists()  # the last listener cleans up
    folder.mkdir(mode=0o700)
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(folder / "dead"))
    dead.close()
    (folder / "letter").write_text("mine")
    bell.notify()
    assert [entry.name for entry in folder.iterdir()] == ["letter"]
    bell.close()


def test_a_symbolic_link_as_notifier_folder_is_not_trusted(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobdeck.store.notifier import SocketNotifier

    monkeypatch.setattr("tempfile.tempdir", str(short))
    bell = SocketNotifier(short / "jobs.db")
    with bell.listen(lambda: None):
        (folder,) = (entry for entry in short.iterdir() if entry.is_dir())
    (short / "home").mkdir()
    (short / "home" / "letter").write_text("mine")
    folder.symlink_to(short / "home")
    rung = threading.Event()
    with bell.listen(rung.set):
        bell.notify()
        assert not rung.is_set()
    assert [entry.name for entry in (short / "home").iterdir()] == ["letter"]


def test_many_notifications_are_received_and_none_blocks(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobdeck.store.notifier import SocketNotifier

    monkeypatch.setattr("tempfile.tempdir", str(short))
    bell = SocketNotifier(short / "jobs.db")
    heard: list[None] = []
    with bell.listen(lambda: heard.append(None)):
        for _ in range(5000):
            bell.notify()
        wait_until(lambda: heard)
    bell.close()
