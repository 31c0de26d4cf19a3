"""The cockpit on a queue behind an HTTP API: it shows and does the same, runs no jobs, and outlives its server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.tui.frozen_queue import WHERE, FrozenQueue, deck_of, wait_for
from tests.tui.jobs_pilot import play, table, toasts
from textual.pilot import Pilot

from jobdeck import HttpServer, Queue, Settings, TokenFile, open_queue
from jobdeck_tui.app import Cockpit
from jobdeck_tui.feed.feed import Feed
from jobdeck_tui.widgets.chrome.header import Header
from jobdeck_tui.widgets.dashboard.workers import WorkersPanel


@dataclass
class Served:
    """A queue, its server, and a client of it."""

    still: FrozenQueue
    folder: Path
    port: int = 0
    opened: ExitStack = field(default_factory=ExitStack)

    def start(self) -> HttpServer:
        """Start the server, on the same port as before."""
        tokens = TokenFile(self.folder / "tokens.json")
        server = self.opened.enter_context(HttpServer(self.still.queue, port=self.port, tokens=tokens))
        self.port = int(server.url.rpartition(":")[2])
        return server

    def stop(self) -> None:
        self.opened.close()

    def connect(self, token: str = "") -> Queue:
        """Connect as `jobdeck` does before it shows the first screen."""
        queue = open_queue(f"http://127.0.0.1:{self.port}", settings=Settings(token=token))
        queue.kinds.list()
        return queue


@pytest.fixture
def busy(still: FrozenQueue, tmp_path: Path) -> Iterator[Served]:
    for n in range(6):
        still.queue.enqueue("img.resize", {"path": f"{n}.jpg"})
    made = Served(still, tmp_path)
    made.start()
    yield made
    made.stop()


def app(queue: Queue, *, threads: int = 0) -> Cockpit:
    return Cockpit(lambda post: Feed(queue, post, threads=threads), where=WHERE)


def header(pilot: Pilot[Any]) -> str:
    return pilot.app.screen.query(Header).first().render_line(0).text


def test_jobs_are_shown_cancelled_undone_and_enqueued_over_http(busy: Served) -> None:
    queue = busy.connect()

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: table(pilot).total == 6)
        assert "LIVE" in header(pilot)
        await pilot.press("j", "x")
        await wait_for(pilot, lambda: busy.still.queue.get(6).state == "cancelled")
        await wait_for(pilot, lambda: any("Job 6 cancelled · z to undo" in each for each in toasts(pilot)))
        assert busy.still.queue.journal.entries()[0].actor == "http"
        await pilot.press("z")
        await wait_for(pilot, lambda: busy.still.queue.get(6).state == "pending")
        await pilot.press("p")
        await wait_for(pilot, lambda: any(each.paused for each in busy.still.queue.queues()))
        assert [kind.name for kind in pilot.app.kinds] == [kind.name for kind in busy.still.queue.kinds.list()]  # type: ignore[attr-defined]

    play(app(queue), scene)
    queue.close()


def test_a_cockpit_without_the_database_offers_no_threads(busy: Served) -> None:
    queue = busy.connect()

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: table(pilot).total == 6)
        panel = pilot.app.screen.query_one(WorkersPanel)
        text = "".join(piece[0] for piece in panel.draw(0, 100))
        assert text == " no worker runs: start jobdeck worker"
        await pilot.press("greater_than_sign")
        await wait_for(pilot, lambda: any("this cockpit only watches and operates" in each for each in toasts(pilot)))
        assert deck_of(pilot).local_worker.threads == 0

    play(app(queue), scene)
    queue.close()


def test_a_lost_server_shows_as_a_lost_database_does_and_heals(busy: Served) -> None:
    queue = busy.connect()

    async def scene(pilot: Pilot[Any]) -> None:
        await wait_for(pilot, lambda: table(pilot).total == 6)
        busy.stop()
        await wait_for(pilot, lambda: "STALE" in header(pilot))
        assert "cannot be reached: connection refused · retrying" in header(pilot)
        assert "…" not in header(pilot)
        assert table(pilot).total == 6
        await pilot.press("j", "x")
        await wait_for(pilot, lambda: any("cannot be reached" in each for each in toasts(pilot)))
        busy.still.queue.enqueue("img.resize", {"path": "late.jpg"})
        busy.start()
        await wait_for(pilot, lambda: table(pilot).total == 7)
        await wait_for(pilot, lambda: "LIVE" in header(pilot))

    play(app(queue), scene, size=(80, 24))
    queue.close()
