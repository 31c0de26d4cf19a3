"""Tests of the cockpit on PostgreSQL: it works as on SQLite, shows when the server is unavailable, and recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from tests.core.helpers import CLOSES, wait_until
from tests.core.postgres import database_at, server
from tests.tui.frozen_queue import registry, wait_for, wait_for_redraw
from tests.tui.jobs_pilot import play, table, toasts
from tests.tui.test_lost_database import header
from textual.pilot import Pilot

from jobdeck import OperationResult, Queue, Settings, State, StoreError
from jobdeck.store.claim_capacity import ClaimRequest
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.feed.job_actions import CANCEL, ActionPreview, apply_reversibly
from jobdeck_tui.launch import _title

pytestmark = pytest.mark.postgres


@pytest.fixture
def where(tmp_path: Path) -> Iterator[str]:
    yield database_at(tmp_path)
    CLOSES["postgres"](tmp_path)


@pytest.fixture
def six(where: str) -> Iterator[Queue]:
    with Queue(where, settings=Settings(), registry=registry(), random=Random(5)) as queue:
        for n in range(6):
            queue.enqueue("img.resize", {"path": f"{n}.jpg"})
        yield queue


def app(queue: Queue, *, threads: int = 0) -> Cockpit:
    return Cockpit(
        lambda post: Feed(queue, post, threads=threads, readonly=False), where=_title(queue.where), grace=20.0, readonly=False
    )


def drop(where: str) -> None:
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def test_a_running_job_is_asked_about_before_anything_changes(six: Queue) -> None:
    (running,) = six.store.claimer.claim(ClaimRequest("w", 1, kinds=("img.resize",), queues=(), lease=60.0))
    asked = apply_reversibly(six, CANCEL, [running.id, 5, 6])
    assert isinstance(asked, ActionPreview)
    assert (asked.irreversible, len(asked.ids)) == (1, 3)
    assert six.count("state:pending") == 5
    assert not six.get(running.id).cancelling
    assert isinstance(apply_reversibly(six, CANCEL, [5, 6]), OperationResult)


def test_actions_and_their_undo_are_visible_at_once(six: Queue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        assert table(pilot).total == 6
        await pilot.press("j", "x")
        await wait_for(pilot, lambda: six.count("state:cancelled") == 1)
        await pilot.press("z")
        await wait_for(pilot, lambda: six.count("state:pending") == 6)
        await wait_for_redraw(pilot)

    play(app(six), scene)


def test_an_opened_job_shows_its_arguments(six: Queue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("enter")
        await wait_for(pilot, lambda: "5.jpg" in pilot.app.export_screenshot())

    play(app(six), scene)


@pytest.mark.parametrize("name", ["queues", "workers", "schedules", "errors", "metrics", "events", "timeline"])
def test_every_screen_opens(six: Queue, name: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        pilot.app.action_open_screen(name)  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: getattr(pilot.app.screen, "SCREEN_NAME", "") == name)
        await wait_for_redraw(pilot)
        assert "LIVE" in header(pilot)
        assert not [each for each in toasts(pilot) if "bug" in each]

    play(app(six), scene)


def test_an_unavailable_server_is_shown_and_waited_for(six: Queue) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        await pilot.press("j", "j", "space")
        await wait_for_redraw(pilot)
        chosen, marks = table(pilot).chosen, set(table(pilot).marks.ids)
        server().stop()
        try:
            await wait_for(pilot, lambda: "cannot be reached: No such file" in header(pilot))
            assert "● STALE" in header(pilot)
            assert "· retrying" in header(pilot)
            assert "ctrl+n" not in header(pilot)
            await pilot.press("ctrl+n")  # nothing is recreated
            assert table(pilot).total == 6  # the last data is still shown
        finally:
            server().start()
        await wait_for(pilot, lambda: "LIVE" in header(pilot), timeout=20)
        assert (table(pilot).chosen, set(table(pilot).marks.ids)) == (chosen, marks)
        assert six.count() == 6

    play(app(six), scene, size=(160, 40))


def test_its_worker_resumes_after_an_outage_of_the_server(where: str) -> None:
    with Queue(where, settings=Settings(), registry=registry(), random=Random(5)) as queue:

        def completed(job_id: int) -> bool:
            try:
                return queue.get(job_id).state is State.COMPLETED
            except StoreError:
                return False

        async def scene(pilot: Pilot[Any]) -> None:
            first = queue.enqueue("report.daily", {"day": "2025-06-01"})
            await wait_for(pilot, lambda: completed(first.id))
            server().restart()
            wait_until(lambda: queue_answers(queue))
            second = queue.enqueue("report.daily", {"day": "2025-06-02"})
            await wait_for(pilot, lambda: completed(second.id), timeout=20)
            await wait_for(pilot, lambda: "LIVE" in header(pilot), timeout=20)

        play(app(queue, threads=2), scene)


def queue_answers(queue: Queue) -> bool:
    try:
        queue.count()
    except StoreError:
        return False
    return True


def test_ctrl_n_creates_a_new_queue_if_the_tables_are_missing(six: Queue, where: str) -> None:
    async def scene(pilot: Pilot[Any]) -> None:
        drop(where)
        await wait_for(pilot, lambda: "no longer holds a queue" in header(pilot))
        assert "ctrl+n creates a new one" in header(pilot)
        await pilot.press("ctrl+n")
        await wait_for(pilot, lambda: "LIVE" in header(pilot))
        assert table(pilot).total == 0
        assert any("database was replaced; the new one has 0 jobs" in each for each in toasts(pilot))

    play(app(six), scene, size=(160, 40))


@pytest.mark.parametrize(
    ("where", "title"),
    [
        ("postgresql://me@db.example.org/jobs?sslmode=require", "me@db.example.org/jobs"),
        ("postgres://db/jobs", "db/jobs"),
        ("sqlite:////var/jobs.db", "sqlite:////var/jobs.db"),
        ("/var/jobs.db", "/var/jobs.db"),
    ],
)
def test_the_title_is_short_and_identifies_the_queue(where: str, title: str) -> None:
    assert _title(where) == title
