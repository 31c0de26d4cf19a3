"""The database is locked, deleted, replaced, emptied or made read-only under the cockpit: it says so, and recovers."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.core.helpers import FakeClock
from tests.tui.frozen_queue import Still, deck_of, seen, settled
from tests.tui.jobs_pilot import play, table, toasts
from tests.tui.loop_stall import Stalls
from textual.pilot import Pilot

from jobdeck import Queue, Registry, Settings, State, StoreBusy
from jobdeck.kinds.registry import job
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.connection_status import Plight, Watch, in_short
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.screens.confirm_bulk import WeighScreen
from jobdeck_tui.screens.job import JobScreen
from jobdeck_tui.widgets.chrome.header import Header

SIZES = [(60, 15), (80, 24), (120, 40), (200, 60)]


def header(pilot: Pilot[Any]) -> str:
    """The first line of the screen in front."""
    return pilot.app.screen.query(Header).first().render_line(0).text


def file_of(still: Still) -> Path:
    return Path(still.queue.where)


def another(folder: Path, jobs: int) -> Path:
    """Another queue, closed, whose jobs have the ids 1, 2, …."""
    path = folder / "another.db"
    with Queue(path, settings=Settings(synchronous="OFF")) as queue:
        for _ in range(jobs):
            queue.enqueue("shell", {"command": ["true"]})
    return path


@pytest.fixture
def six(still: Still) -> Still:
    for n in range(6):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg"})
    return still


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_deleted_database_is_said_in_the_header_with_what_is_done_about_it(six: Still, size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        file_of(six).unlink()
        await seen(pilot, lambda: "deleted or moved away" in header(pilot))
        line = header(pilot)
        assert len(line) == size[0]
        assert "● STALE" in line
        assert "…" not in line
        if size[0] >= 80:
            assert "· waits for it" in line
        if size[0] >= 120:
            assert "· ctrl+n makes a new one" in line
        assert any("ctrl+n makes a new and empty one" in each for each in toasts(pilot))
        assert table(pilot).total == 6  # what was there is still shown
        assert "live" not in str(pilot.app.screen.query_one("#jobs").border_subtitle)
        assert not file_of(six).exists()
        before = int(line.split("STALE ")[1].split("s")[0])
        await seen(pilot, lambda: f"STALE {before + 1}s" in header(pilot) or f"STALE {before + 2}s" in header(pilot))

    play(six.app(), scene, size=size)


def test_ctrl_n_makes_a_new_one_where_there_is_none_and_does_nothing_where_there_is_one(six: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+n")
        await settled(pilot)
        assert table(pilot).total == 6
        file_of(six).unlink()
        await seen(pilot, lambda: "STALE" in header(pilot))
        await pilot.press("ctrl+n")
        await seen(pilot, lambda: "LIVE" in header(pilot))
        assert table(pilot).total == 0
        assert any("another database now, with 0 jobs" in each for each in toasts(pilot))
        await pilot.press("ctrl+n")
        await settled(pilot)
        with Queue(file_of(six), settings=Settings()) as queue:
            assert queue.count() == 0

    play(six.app(), scene)


def test_a_readonly_cockpit_makes_no_new_one(six: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        file_of(six).unlink()
        await seen(pilot, lambda: "STALE" in header(pilot))
        await pilot.press("ctrl+n")
        await seen(pilot, lambda: any("--readonly" in each for each in toasts(pilot)))
        assert not file_of(six).exists()

    play(six.app(readonly=True), scene)


def test_a_file_that_comes_back_is_shown_again_with_everything_in_its_place(six: Still, tmp_path: Path) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", "space")
        await settled(pilot)
        chosen, marks = table(pilot).chosen, set(table(pilot).marks.ids)
        file_of(six).rename(tmp_path / "away.db")
        await seen(pilot, lambda: "STALE" in header(pilot))
        (tmp_path / "away.db").rename(file_of(six))
        begun = time.monotonic()
        await seen(pilot, lambda: "LIVE" in header(pilot))
        print(f"back after {time.monotonic() - begun:.2f} s")
        await seen(pilot, lambda: "The database can be read again" in toasts(pilot))
        assert (table(pilot).chosen, table(pilot).marks.ids) == (chosen, marks)

    play(six.app(), scene)


def test_another_database_is_announced_and_no_key_hits_a_job_that_was_chosen_in_the_old_one(six: Still, tmp_path: Path) -> None:
    other = another(tmp_path, 9)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("l", "l", "h")
        await pilot.press("j", "space", "space", "D")
        await seen(pilot, lambda: isinstance(pilot.app.screen, WeighScreen))
        shutil.move(other, file_of(six))
        begun = time.monotonic()
        await seen(pilot, lambda: any("another database now, with 9 jobs" in each for each in toasts(pilot)))
        print(f"noticed after {time.monotonic() - begun:.2f} s")
        await seen(pilot, lambda: table(pilot).total == 9)
        assert not isinstance(pilot.app.screen, WeighScreen)
        assert (table(pilot).marks.ids, table(pilot).chosen) == (set(), None)
        await pilot.press("x")
        await seen(pilot, lambda: any("Choose a job first" in each for each in toasts(pilot)))
        assert pilot.app.screen.query_one("#tabs").tab == "pending"  # where the person was

    play(six.app(), scene)
    with Queue(file_of(six), settings=Settings()) as queue:
        assert queue.count("state:pending") == 9


def test_a_backup_put_in_its_place_keeps_the_cursor_on_the_same_job(six: Still, tmp_path: Path) -> None:
    six.queue.maintenance.backup(tmp_path / "backup.db")

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j")
        await settled(pilot)
        chosen = table(pilot).chosen
        (tmp_path / "backup.db").rename(file_of(six))
        await seen(pilot, lambda: any("another database now, with 6 jobs" in each for each in toasts(pilot)))
        await settled(pilot)
        assert table(pilot).chosen == chosen == 5
        await pilot.press("x")
        await seen(pilot, lambda: deck_of(pilot).page.jobs[5].state is State.CANCELLED)

    play(six.app(), scene)


def test_the_opened_job_of_a_replaced_database_is_gone_and_not_another_with_its_id(six: Still, tmp_path: Path) -> None:
    other = another(tmp_path, 9)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "enter")
        await seen(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.detail is not None)
        file_of(six).unlink()
        await seen(pilot, lambda: pilot.app.screen.query(Header) and "STALE" in header(pilot))
        shutil.move(other, file_of(six))
        await seen(pilot, lambda: not pilot.app.screen.query(Header))
        await seen(pilot, lambda: pilot.app.screen.detail.job is None)

    play(six.app(), scene)


def test_every_room_says_it_too(six: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("3", "3")
        await seen(pilot, lambda: pilot.app.room is not None)  # type: ignore[attr-defined]
        file_of(six).unlink()
        await seen(pilot, lambda: "STALE" in header(pilot))
        pilot.app.feed.renew()  # type: ignore[attr-defined]
        await seen(pilot, lambda: "STALE" not in header(pilot))

    play(six.app(), scene)


def test_an_act_while_it_is_gone_says_why_and_does_nothing(six: Still) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j")
        await settled(pilot)
        file_of(six).unlink()
        await pilot.press("x")
        await seen(pilot, lambda: any("was deleted or moved away" in each for each in toasts(pilot)))
        assert not any("cancelled" in each for each in toasts(pilot))

    play(six.app(), scene)


TROUBLES = {
    "emptied": (lambda path: path.write_bytes(b""), "was emptied"),
    "a text file": (lambda path: (path.unlink(), path.write_text("to do: nothing\n" * 99)), "is not an SQLite database"),
    "its folder removed": (lambda path: shutil.rmtree(path.parent), "was deleted or moved away"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "damaged"),
}
"""What is done to the file, and what the header says."""


@pytest.mark.parametrize("name", TROUBLES)
def test_whatever_happens_to_the_file_is_said_and_a_good_one_in_its_place_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trouble, words = TROUBLES[name]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "folder").mkdir()
    still = Still(tmp_path / "home" / "folder")
    size = 9000 if name == "cut short" else 1  # more than a connection keeps in memory
    for n in range(200):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg" * size})
    other = another(tmp_path, 9)

    async def scene(pilot: Pilot[Any]) -> None:
        assert table(pilot).total == 200
        if name == "cut short":  # all in the file, nothing in the log
            apsw.Connection(str(file_of(still))).wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        trouble(file_of(still))
        if name == "cut short":  # what is in memory is shown until the rest is read
            await pilot.press("slash", *"zzz")
        await seen(pilot, lambda: "STALE" in header(pilot) and words in header(pilot))
        file_of(still).parent.mkdir(exist_ok=True)
        other.rename(file_of(still))
        await seen(pilot, lambda: any("another database now, with 9 jobs" in each for each in toasts(pilot)))
        await seen(pilot, lambda: "LIVE" in header(pilot))

    play(still.app(), scene)
    still.close()


def test_a_database_that_is_locked_for_ten_seconds_is_said_and_recovered_from(six: Still) -> None:
    holder = apsw.Connection(str(file_of(six)))
    holder.set_busy_timeout(5000)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j")
        await settled(pilot)
        holder.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        threading.Timer(10.0, holder.close).start()
        await pilot.press("x")  # the feed waits for the lock
        await seen(pilot, lambda: "another program has locked the database" in header(pilot))
        said = time.monotonic() - begun
        await seen(pilot, lambda: "STALE" in header(pilot))
        assert "waits for it" in header(pilot)
        async with Stalls() as stalls:
            await pilot.press("k", "j", "G", "j")
        assert stalls.longest < 1  # the keys go on
        await seen(pilot, lambda: "LIVE" in header(pilot), timeout=20)
        recovered = time.monotonic() - begun - 10
        print(f"said after {said:.1f} s, longest stall {stalls.longest:.2f} s, live again {recovered:.2f} s later")

    play(six.app(), scene)


@pytest.mark.parametrize(
    ("keys", "could_not"),
    [(("x",), "cancel job 5"), (("plus",), "change job 5"), (("space", "space", "x"), "cancel 2 jobs")],
    ids=("one", "priority", "several"),
)
def test_what_was_not_done_because_of_a_lock_is_named(
    six: Still, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], could_not: str
) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise StoreBusy("jobs.db", 10)

    for act in ("cancel_many", "reprioritize_many"):
        monkeypatch.setattr(six.queue, act, locked)

    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", *keys)
        said = f"Could not {could_not}: The database jobs.db stayed locked for 10 s; try again."
        await seen(pilot, lambda: said in toasts(pilot))

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


def test_a_database_that_cannot_be_written_to_is_shown_and_the_work_said_to_be_held_up(live: Any) -> None:
    queue, app = live
    path = Path(queue.where)

    async def scene(pilot: Pilot[Any]) -> None:
        await seen(pilot, lambda: deck_of(pilot).pool.worker is not None)
        path.chmod(0o444)
        await seen(pilot, lambda: "HELD UP" in header(pilot) and "cannot be written to; check its permissions" in header(pilot))
        path.chmod(0o644)
        begun = time.monotonic()
        await seen(pilot, lambda: "LIVE" in header(pilot))
        print(f"live again after {time.monotonic() - begun:.2f} s")

    play(app, scene)


def test_a_full_disk_holds_the_work_up_and_the_words_say_so(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
        await seen(pilot, lambda: "HELD UP" in header(pilot) and "the disk is full" in header(pilot))
        full = False
        queue.enqueue("quick")
        await seen(pilot, lambda: "LIVE" in header(pilot))
        await seen(pilot, lambda: queue.count("state:completed") == 1)

    play(app, scene)


def test_the_workers_of_the_cockpit_go_on_with_the_new_database(live: Any, tmp_path: Path) -> None:
    queue, app = live
    other = tmp_path / "other.db"
    with Queue(other, settings=Settings(synchronous="OFF"), registry=queue.registry) as there:
        there.enqueue("quick")

    async def scene(pilot: Pilot[Any]) -> None:
        await seen(pilot, lambda: deck_of(pilot).pool.worker is not None)
        worker = deck_of(pilot).pool.worker
        other.rename(queue.where)
        await seen(pilot, lambda: deck_of(pilot).overview.counts.get(State.COMPLETED) == 1)
        await seen(pilot, lambda: [each.id for each in deck_of(pilot).overview.workers] == [worker])

    play(app, scene)


# -- the words ------------------------------------------------------------------------------------------


def test_the_watch_says_what_is_wrong_since_when_and_what_is_done() -> None:
    clock = FakeClock()
    watch = Watch(clock.monotonic)
    assert watch.plight() is None
    watch.news()
    clock.advance(2)
    assert watch.plight() is None
    clock.advance(2)
    assert watch.plight() == Plight("STALE", "no news: the database is busy", "waits for it", 4)
    locked = clock.monotonic() - 3
    assert watch.plight(locked_since=locked) == Plight("STALE", "another program has locked the database", "waits for it", 4)
    watch.news()
    assert watch.plight(locked_since=locked) == Plight("HELD UP", "another program has locked the database", "waits for it", 3)
    assert watch.plight(held_up="the disk is full") == Plight("HELD UP", "the disk is full", "retrying", 0)
    clock.advance(2)
    watch.news()
    assert watch.plight(held_up="the disk is full") == Plight("HELD UP", "the disk is full", "retrying", 2)
    assert watch.plight() is None
    watch.trouble("the database was emptied", lost=True)
    clock.advance(61)
    told = watch.plight(held_up="the disk is full")
    assert told == Plight("STALE", "the database was emptied", "waits for it", 61, "ctrl+n makes a new one")


def test_the_watch_notices_that_the_process_was_held_up() -> None:
    clock = FakeClock()
    watch = Watch(clock.monotonic)
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
def test_what_the_engine_says_is_shortened_for_a_line_that_names_the_file(sentence: str, short: str) -> None:
    assert in_short(sentence, "/a/jobs.db") == short


def test_of_a_server_it_is_said_that_it_is_the_database() -> None:
    where = "postgresql://me@db/jobs"
    assert in_short(f"{where} cannot be written to.", where) == "the database cannot be written to"
