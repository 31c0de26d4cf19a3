"""Tests of a database that is locked, deleted, replaced, emptied or made read-only under the cockpit."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.core.helpers import FakeClock
from tests.tui.frozen_queue import FrozenQueue, deck_of, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, table, toasts
from tests.tui.loop_stall import Stalls
from textual.pilot import Pilot

from jobdeck import Queue, Registry, Settings, State, StoreBusy
from jobdeck.kinds.registry import job
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.connection_status import ConnectionMonitor, ConnectionStatus, shorten_error
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.screens.confirm_bulk import BulkConfirmScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.widgets.chrome.header import Header

SIZES = [(60, 15), (80, 24), (120, 40), (200, 60)]


def header(pilot: Pilot[Any]) -> str:
    """Return the first line of the active screen."""
    return pilot.app.screen.query(Header).first().render_line(0).text


def file_of(still: FrozenQueue) -> Path:
    return Path(still.queue.where)


def another(folder: Path, jobs: int) -> Path:
    """Create another queue, closed, whose jobs have the ids 1, 2, …."""
    path = folder / "another.db"
    with Queue(path, settings=Settings(synchronous="OFF")) as queue:
        for _ in range(jobs):
            queue.enqueue("shell", {"command": ["true"]})
    return path


@pytest.fixture
def six(still: FrozenQueue) -> FrozenQueue:
    for n in range(6):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg"})
    return still


@pytest.mark.parametrize("size", [SIZES[0], *(pytest.param(size, marks=pytest.mark.screens) for size in SIZES[1:])], ids=str)
def test_the_header_shows_a_deleted_database_and_the_remedy(six: FrozenQueue, size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        file_of(six).unlink()
        await wait_for(pilot, lambda: "deleted or moved away" in header(pilot))
        line = header(pilot)
        assert len(line) == size[0]
        assert "● STALE" in line
        assert "…" not in line
        if size[0] >= 80:
            assert "· waiting for it" in line
        if size[0] >= 120:
            assert "· ctrl+n creates a new one" in line
        assert any("Press ctrl+n to create a new, empty one" in each for each in toasts(pilot))
        assert table(pilot).total == 6  # the last data is still shown
        assert "live" not in str(pilot.app.screen.query_one("#jobs").border_subtitle)
        assert not file_of(six).exists()
        before = int(line.split("STALE ")[1].split("s")[0])
        await wait_for(pilot, lambda: f"STALE {before + 1}s" in header(pilot) or f"STALE {before + 2}s" in header(pilot))

    play(six.app(), scene, size=size)


def test_ctrl_n_creates_a_database_only_if_it_is_missing(six: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+n")
        await wait_for_redraw(pilot)
        assert table(pilot).total == 6
        file_of(six).unlink()
        await wait_for(pilot, lambda: "STALE" in header(pilot))
        await pilot.press("ctrl+n")
        await wait_for(pilot, lambda: "LIVE" in header(pilot))
        assert table(pilot).total == 0
        assert any("database was replaced; the new one has 0 jobs" in each for each in toasts(pilot))
        await pilot.press("ctrl+n")
        await wait_for_redraw(pilot)
        with Queue(file_of(six), settings=Settings()) as queue:
            assert queue.count() == 0

    play(six.app(), scene)


def test_a_readonly_cockpit_creates_no_database(six: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        file_of(six).unlink()
        await wait_for(pilot, lambda: "STALE" in header(pilot))
        await pilot.press("ctrl+n")
        await wait_for(pilot, lambda: any("--readonly" in each for each in toasts(pilot)))
        assert not file_of(six).exists()

    play(six.app(readonly=True), scene)


def test_a_restored_file_is_shown_with_cursor_and_filter_unchanged(six: FrozenQueue, tmp_path: Path) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", "space")
        await wait_for_redraw(pilot)
        chosen, marks = table(pilot).chosen, set(table(pilot).marks.ids)
        file_of(six).rename(tmp_path / "away.db")
        await wait_for(pilot, lambda: "STALE" in header(pilot))
        (tmp_path / "away.db").rename(file_of(six))
        begun = time.monotonic()
        await wait_for(pilot, lambda: "LIVE" in header(pilot))
        print(f"back after {time.monotonic() - begun:.2f} s")
        await wait_for(pilot, lambda: "The database is readable again" in toasts(pilot))
        assert (table(pilot).chosen, table(pilot).marks.ids) == (chosen, marks)

    play(six.app(), scene)


def test_another_database_is_announced_and_the_old_selection_is_cleared(six: FrozenQueue, tmp_path: Path) -> None:
    other = another(tmp_path, 9)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("l", "l", "h")
        await pilot.press("j", "space", "space", "D")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, BulkConfirmScreen))
        shutil.move(other, file_of(six))
        begun = time.monotonic()
        await wait_for(pilot, lambda: any("database was replaced; the new one has 9 jobs" in each for each in toasts(pilot)))
        print(f"noticed after {time.monotonic() - begun:.2f} s")
        await wait_for(pilot, lambda: table(pilot).total == 9)
        assert not isinstance(pilot.app.screen, BulkConfirmScreen)
        assert (table(pilot).marks.ids, table(pilot).chosen) == (set(), None)
        await pilot.press("x")
        await wait_for(pilot, lambda: any("Select a job first" in each for each in toasts(pilot)))
        assert pilot.app.screen.query_one("#tabs").tab == "pending"  # where the cursor was

    play(six.app(), scene)
    with Queue(file_of(six), settings=Settings()) as queue:
        assert queue.count("state:pending") == 9


def test_restoring_a_backup_keeps_the_cursor_on_the_same_job(six: FrozenQueue, tmp_path: Path) -> None:
    six.queue.maintenance.backup(tmp_path / "backup.db")

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j")
        await wait_for_redraw(pilot)
        chosen = table(pilot).chosen
        (tmp_path / "backup.db").rename(file_of(six))
        await wait_for(pilot, lambda: any("database was replaced; the new one has 6 jobs" in each for each in toasts(pilot)))
        await wait_for_redraw(pilot)
        assert table(pilot).chosen == chosen == 5
        await pilot.press("x")
        await wait_for(pilot, lambda: deck_of(pilot).page.jobs[5].state is State.CANCELLED)

    play(six.app(), scene)


def test_the_opened_job_of_a_replaced_database_no_longer_exists(six: FrozenQueue, tmp_path: Path) -> None:
    other = another(tmp_path, 9)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        file_of(six).unlink()
        await wait_for(pilot, lambda: pilot.app.screen.query(Header) and "STALE" in header(pilot))
        shutil.move(other, file_of(six))
        await wait_for(pilot, lambda: not pilot.app.screen.query(Header))
        await wait_for(pilot, lambda: pilot.app.screen.detail.job is None)

    play(six.app(), scene)


def test_every_view_screen_shows_it_too(six: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("3", "3")
        await wait_for(pilot, lambda: pilot.app.open_view is not None)  # type: ignore[attr-defined]
        file_of(six).unlink()
        await wait_for(pilot, lambda: "STALE" in header(pilot))
        pilot.app.feed.recreate()  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: "STALE" not in header(pilot))

    play(six.app(), scene)


def test_an_action_on_a_missing_database_fails_with_the_reason(six: FrozenQueue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j")
        await wait_for_redraw(pilot)
        file_of(six).unlink()
        await pilot.press("x")
        await wait_for(pilot, lambda: any("was deleted or moved away" in each for each in toasts(pilot)))
        assert not any("cancelled" in each for each in toasts(pilot))

    play(six.app(), scene)


TROUBLES = {
    "emptied": (lambda path: path.write_bytes(b""), "was emptied"),
    "a text file": (lambda path: (path.unlink(), path.write_text("to do: nothing\n" * 99)), "is not an SQLite database"),
    "its folder removed": (lambda path: shutil.rmtree(path.parent), "was deleted or moved away"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "damaged"),
}
"""A change to the file, and what the header then shows."""


@pytest.mark.parametrize("name", TROUBLES)
def test_every_damage_to_the_file_is_shown_and_a_good_file_is_picked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trouble, words = TROUBLES[name]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "folder").mkdir()
    still = FrozenQueue(tmp_path / "home" / "folder")
    size = 9000 if name == "cut short" else 1  # more than a connection caches
    for n in range(200):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg" * size})
    other = another(tmp_path, 9)

    async def scene(pilot: Pilot[Any]) -> None:
        assert table(pilot).total == 200
        if name == "cut short":  # everything in the file, nothing in the WAL
            apsw.Connection(str(file_of(still))).wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        trouble(file_of(still))
        if name == "cut short":  # cached data is shown until the rest is read
            await pilot.press("slash", *"zzz")
        await wait_for(pilot, lambda: "STALE" in header(pilot) and words in header(pilot))
        file_of(still).parent.mkdir(exist_ok=True)
        other.rename(file_of(still))
        await wait_for(pilot, lambda: any("database was replaced; the new one has 9 jobs" in each for each in toasts(pilot)))
        await wait_for(pilot, lambda: "LIVE" in header(pilot))

    play(still.app(), scene)
    still.close()


@pytest.mark.screens  # it takes these ten seconds
def test_a_lock_of_ten_seconds_is_shown_and_recovered_from(six: FrozenQueue) -> None:
    holder = apsw.Connection(str(file_of(six)))
    holder.set_busy_timeout(5000)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j")
        await wait_for_redraw(pilot)
        holder.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        threading.Timer(10.0, holder.close).start()
        await pilot.press("x")  # the feed waits for the lock
        await wait_for(pilot, lambda: "another program has locked the database" in header(pilot))
        said = time.monotonic() - begun
        await wait_for(pilot, lambda: "STALE" in header(pilot))
        assert "waiting for it" in header(pilot)
        async with Stalls() as stalls:
            await pilot.press("k", "j", "G", "j")
        assert stalls.longest < 1  # keys still work
        await wait_for(pilot, lambda: "LIVE" in header(pilot), timeout=20)
        recovered = time.monotonic() - begun - 10
        print(f"said after {said:.1f} s, longest stall {stalls.longest:.2f} s, live again {recovered:.2f} s later")

    play(six.app(), scene)


@pytest.mark.parametrize(
    ("keys", "could_not"),
    [(("x",), "cancel job 5"), (("plus",), "change job 5"), (("space", "space", "x"), "cancel 2 jobs")],
    ids=("one", "priority", "several"),
)
def test_an_action_that_failed_because_of_a_lock_is_named(
    six: FrozenQueue, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], could_not: str
) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise StoreBusy("jobs.db", 10)

    monkeypatch.setattr(six.queue, "change_many", locked)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", *keys)
        said = f"Could not {could_not}: The database jobs.db stayed locked for 10 s; try again."
        await wait_for(pilot, lambda: said in toasts(pilot))

    play(six.app(), scene)


@pytest.fixture
def live(tmp_path: Path) -> Any:
    kinds = Registry()

    @job(name="quick", registry=kinds)
    def quick() -> None:
        pass

    settings = Settings(database=str(tmp_path / "jobs.db"), shutdown_grace=2.0, synchronous="OFF")
    queue = Queue(settings=settings, registry=kinds)
    yield queue, Cockpit(lambda post: Feed(queue, post, threads=2), where=str(tmp_path), grace=2.0)
    queue.close()


def test_a_readonly_database_is_shown_and_reported_as_stalled(live: Any) -> None:
    queue, app = live
    path = Path(queue.where)

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot).local_worker.worker is not None)
        path.chmod(0o444)
        await wait_for(
            pilot, lambda: "BLOCKED" in header(pilot) and "cannot be written to; check its permissions" in header(pilot)
        )
        path.chmod(0o644)
        begun = time.monotonic()
        await wait_for(pilot, lambda: "LIVE" in header(pilot))
        print(f"live again after {time.monotonic() - begun:.2f} s")

    play(app, scene)


def test_a_full_disk_is_reported_as_the_cause_of_the_stall(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    queue, app = live
    full = True
    claim = queue.store.claimer.claim

    def claim_or_fail(*args: Any, **options: Any) -> Any:
        if full:
            with queue.store._connections.write_transaction():
                raise apsw.FullError("database or disk is full")
        return claim(*args, **options)

    monkeypatch.setattr(queue.store.claimer, "claim", claim_or_fail)

    async def scene(pilot: Pilot[Any]) -> None:
        nonlocal full
        await wait_for(pilot, lambda: "BLOCKED" in header(pilot) and "the disk is full" in header(pilot))
        full = False
        queue.enqueue("quick")
        await wait_for(pilot, lambda: "LIVE" in header(pilot))
        await wait_for(pilot, lambda: queue.count("state:completed") == 1)

    play(app, scene)


def test_the_workers_of_the_cockpit_continue_with_the_new_database(live: Any, tmp_path: Path) -> None:
    queue, app = live
    other = tmp_path / "other.db"
    with Queue(other, settings=Settings(synchronous="OFF"), registry=queue.registry) as there:
        there.enqueue("quick")

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: deck_of(pilot).local_worker.worker is not None)
        worker = deck_of(pilot).local_worker.worker
        other.rename(queue.where)
        await wait_for(pilot, lambda: deck_of(pilot).overview.counts.get(State.COMPLETED) == 1)
        await wait_for(pilot, lambda: [each.id for each in deck_of(pilot).overview.workers] == [worker])

    play(app, scene)


# -- the texts ------------------------------------------------------------------------------------------


def test_the_status_names_the_problem_its_start_and_the_remedy() -> None:
    clock = FakeClock()
    watch = ConnectionMonitor(clock.monotonic)
    assert watch.status() is None
    watch.on_snapshot()
    clock.advance(2)
    assert watch.status() is None
    clock.advance(2)
    assert watch.status() == ConnectionStatus("STALE", "no update: the database is busy", "waiting for it", 4)
    locked = clock.monotonic() - 3
    assert watch.status(locked_since=locked) == ConnectionStatus(
        "STALE", "another program has locked the database", "waiting for it", 4
    )
    watch.on_snapshot()
    assert watch.status(locked_since=locked) == ConnectionStatus(
        "BLOCKED", "another program has locked the database", "waiting for it", 3
    )
    assert watch.status(held_up="the disk is full") == ConnectionStatus("BLOCKED", "the disk is full", "retrying", 0)
    clock.advance(2)
    watch.on_snapshot()
    assert watch.status(held_up="the disk is full") == ConnectionStatus("BLOCKED", "the disk is full", "retrying", 2)
    assert watch.status() is None
    watch.on_error("the database was emptied", lost=True)
    clock.advance(61)
    told = watch.status(held_up="the disk is full")
    assert told == ConnectionStatus("STALE", "the database was emptied", "waiting for it", 61, "ctrl+n creates a new one")


def test_a_suspended_process_is_noticed() -> None:
    clock = FakeClock()
    watch = ConnectionMonitor(clock.monotonic)
    clock.advance(1)
    assert not watch.beat()
    clock.advance(60)
    assert watch.beat()
    clock.advance(1)
    assert not watch.beat()


@pytest.mark.parametrize(
    ("sentence", "short"),
    [
        ("The database /a/jobs.db was deleted or moved away.", "the database was deleted or moved away"),
        ("/a/jobs.db cannot be written to; check its permissions.", "the file cannot be written to; check its permissions"),
        ("The database /a/jobs.db failed: the disk is full.", "the database failed: the disk is full"),
    ],
)
def test_engine_errors_are_shortened_for_a_line_that_names_the_file(sentence: str, short: str) -> None:
    assert shorten_error(sentence, "/a/jobs.db") == short


def test_errors_of_a_server_name_the_database() -> None:
    where = "postgresql://me@db/jobs"
    assert shorten_error(f"{where} cannot be written to.", where) == "the database cannot be written to"
