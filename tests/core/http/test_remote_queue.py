"""A queue through the API: the same records and errors as the queue itself, and what becomes of a broken connection."""

from __future__ import annotations

import json
import socket
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.core.helpers import ADDRESSES, CLOSES, EVERY_STORE
from tests.core.http.api import REGISTRY, Api, served

from jobdeck import (
    Irreversible,
    JobdeckError,
    Operation,
    PageEnd,
    Queue,
    Settings,
    StoreFailed,
    StoreRefused,
    StoreUnreachable,
    Term,
    Worker,
    open_queue,
    parse_filter,
)
from jobdeck.http.calls.about import PROTOCOL


@pytest.fixture(scope="module", params=EVERY_STORE)
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Serve an empty queue of each store to this module alone, so that the ids of its jobs are known."""
    path = tmp_path_factory.mktemp("remote") / "jobs.db"
    with served(path.parent, ADDRESSES[request.param](path)) as api:
        yield api
    CLOSES[request.param](path)


def open_remote(api: Api, scopes: str = "read,enqueue,operate,shell", **options: Any) -> Queue:
    token = api.client(scopes).headers["Authorization"].removeprefix("Bearer ")
    return open_queue(api.server.url, settings=Settings(token=token), **options)


@pytest.fixture(scope="module")
def remote(api: Api) -> Iterator[Queue]:
    """The queue of `api` through its server, with jobs that have run, and others in every state."""
    queue = api.queue
    first = queue.enqueue("mail.send", {"to": "ann"}, tags=["a"], priority=3)
    failed = queue.enqueue("work.fail", {"text": "näh \x1b[31m"})
    shell = queue.enqueue("shell", {"command": ["echo", "out"]})
    batch = queue.batches.enqueue([queue.new_job("work.talk", {"lines": 3})], name="b")
    with Worker(queue, threads=1):
        for job in (first, failed, shell):
            queue.wait(job.id, timeout=20)
        queue.batches.wait(batch.id, timeout=20)
    later = queue.enqueue("mail.send", {"to": "bob"}, delay=9000, unique="bob", backoff=(1, 10), expires=90000)
    queue.enqueue("mail.send", {"to": "eve"}, after=[later.id])
    queue.cancel(queue.enqueue("mail.send", {"to": "x"}).id)
    queue.pause("paused")
    queue.limits.set("mail", running=2, rate=3, period=4)
    queue.schedules.add("nightly", "0 3 * * *", "mail.send", {"to": "x"}, tags=["t"])
    with open_remote(api) as remote:
        yield remote


READS: dict[str, Callable[[Queue], object]] = {
    "get": lambda q: [q.get(job_id) for job_id in q.ids()],
    "get_many": lambda q: q.get_many([3, 1, 99999, 2]),
    "list": lambda q: q.list("kind:mail*", limit=3, sort="priority", descending=True),
    "list after": lambda q: q.list(sort="id", after=PageEnd.of(q.get(3), "id")),
    "ids": lambda q: [*q.ids(parse_filter('-state:failed args.to:ann,bob -"text"').and_(Term("id", ":", (1, 5.0))))],
    "count": lambda q: q.count("state:completed"),
    "count_states": lambda q: q.count_states(),
    "attempts": lambda q: [q.attempts(job_id) for job_id in (1, 2, 3)],
    "logs": lambda q: [q.logs(3), q.logs(4, after=1, limit=2, oldest=True), q.logs(1, attempt=1)],
    "dependencies": lambda q: [q.dependencies(job_id) for job_id in (5, 6)],
    "batch": lambda q: q.batches.get(1),
    "queues": lambda q: q.queues(),
    "kinds": lambda q: [*q.kinds.list(), q.kinds.get("shell:echo"), q.kinds.argument_schema("mail.send")],
    "explain": lambda q: replace(q.explain(6), at=0.0),
    "schedules": lambda q: [q.schedules.list(), q.schedules.get("nightly"), q.schedules.history("nightly")],
    "preview": lambda q: q.schedules.preview("0 3 * * *", "Europe/Berlin", 4),
    "journal": lambda q: [q.journal.entries(), q.journal.of_job(7)],
    "limits": lambda q: [q.limits.get("mail"), q.limits.get("nosuch")],
    "totals": lambda q: [q.history.totals(), q.history.totals(limit=1)],
    "errors": lambda q: q.history.errors(),
    "events": lambda q: q.history.events(limit=50),
    "runs": lambda q: replace(q.history.runs(0.0, 9e9), at=0.0),
}


@pytest.mark.parametrize("name", READS)
def test_records_are_equal_to_those_of_the_queue_itself(api: Api, remote: Queue, name: str) -> None:
    here, there = READS[name](api.queue), READS[name](remote)
    assert there == here
    assert str(there) == str(here)
    assert here  # there was something to compare


def test_measurements_have_the_records_of_the_queue_itself(api: Api, remote: Queue) -> None:
    for read in (
        lambda q: q.overview(seconds=60, slices=4),
        lambda q: q.queue_stats(),
        lambda q: q.history.metrics(by="kind"),
        lambda q: q.workers.list(),
        lambda q: q.history.oldest_waits(),
    ):
        here, there = read(api.queue), read(remote)
        assert type(there) is type(here)
        if not isinstance(here, list | dict):
            assert (there.slices[0].run, there.slices[-1].seconds > 0) == (here.slices[0].run, True)
    assert isinstance(remote.ids(), array)


FAILS: dict[str, Callable[[Queue], object]] = {
    "missing": lambda q: q.get(99999),
    "missing batch": lambda q: q.batches.get(99999),
    "state": lambda q: q.retry(remote_pending(q)),
    "final": lambda q: q.cancel(1),
    "arguments": lambda q: q.new_job("mail.send", {"count": "x", "inner": {"a": [1, "b"]}}),
    "option": lambda q: q.enqueue("mail.send", {"to": "x"}, priority=10**9),
    "two times": lambda q: q.enqueue("mail.send", {"to": "x"}, delay=1, at=1.0),
    "parent": lambda q: q.enqueue("mail.send", {"to": "x"}, after=[99999]),
    "too large": lambda q: q.new_job("mail.send", {"to": "x" * 70_000}),
    "key": lambda q: q.enqueue("mail.send", {"to": "x"}, unique="bob", on_conflict="refuse"),
    "filter": lambda q: q.count("state:nosuch"),
    "sort": lambda q: q.list(sort="nosuch"),
    "cron": lambda q: q.schedules.preview("61 * * * *"),
    "schedule": lambda q: q.schedules.get("nosuch"),
    "schedule taken": lambda q: q.schedules.add("nightly", "@daily", "mail.send", {"to": "x"}),
    "not running": lambda q: q.stack(1),
    "worker": lambda q: q.workers.drain("nosuch"),
    "entry": lambda q: q.journal.undo(99999),
    "edit": lambda q: q.edit(remote_pending(q)),
    "limit": lambda q: q.limits.set("mail", running=0),
    "range": lambda q: q.history.metrics(seconds=1),
    "masked": lambda q: q.new_job("shell", {"command": ["true"], "env": {"API_KEY": "***"}}),
}


def remote_pending(queue: Queue) -> int:
    found: int = queue.list("state:waiting", limit=1)[0].id
    return found


@pytest.mark.parametrize("name", FAILS)
def test_errors_are_those_of_the_queue_itself(api: Api, remote: Queue, name: str) -> None:
    failed = []
    for queue in (api.queue, remote):
        with pytest.raises(JobdeckError) as caught:
            FAILS[name](queue)
        failed.append((type(caught.value), str(caught.value), vars(caught.value)))
    assert failed[0] == failed[1]


def test_refused_jobs_keep_their_errors(api: Api, remote: Queue) -> None:
    here, there = (queue.retry_many([99999, remote_pending(queue)]) for queue in (api.queue, remote))
    assert {key: (type(each), str(each)) for key, each in here.refused.items()} == {
        key: (type(each), str(each)) for key, each in there.refused.items()
    }


def test_operations_are_journaled_under_the_name_of_the_token_and_undone_by_it(api: Api, remote: Queue) -> None:
    job = api.queue.enqueue("mail.send", {"to": "x"}, queue="other")
    other = api.queue.enqueue("mail.send", {"to": "y"}, queue="other")
    assert remote.cancel(job.id, actor="somebody").state == "cancelled"
    api.queue.cancel(other.id, actor="somebody")
    assert remote.journal.entries(limit=2)[1].actor == remote.actor == "read-enqueue-operate-shell"
    undone = remote.journal.undo(of="somebody")
    assert (undone.done, undone.entry.actor) == ((job.id,), remote.actor)


def test_a_batch_grows_and_a_key_is_reported_as_taken(remote: Queue) -> None:
    draft = remote.new_job("mail.send", {"to": "x"}, unique="one of two", queue="other")
    assert [each.new for each in remote.enqueue_new([draft, draft])] == [True, False]
    batch = remote.batches.enqueue([remote.new_job("mail.send", {"to": "x"}, queue="other")], name="grows")
    assert remote.batches.enqueue([remote.new_job("mail.send", {"to": "y"}, queue="other")], into=batch.id).total == 2


@pytest.mark.parametrize("there", [False, True])
def test_what_an_undo_could_not_restore_is_not_changed_if_that_is_asked_for(api: Api, remote: Queue, there: bool) -> None:
    queue = remote if there else api.queue
    with Worker(api.queue, threads=1, queues=["nap"]):
        job = api.queue.enqueue("work.nap", {"seconds": 60}, queue="nap")
        other = api.queue.enqueue("mail.send", {"to": "x"}, queue="other")
        while queue.get(job.id).state != "running":
            pass
        with pytest.raises(Irreversible, match="could not restore 1 job, so nothing was changed"):
            queue.change_many(Operation.CANCEL, [job.id, other.id], reversible=True)
        assert (queue.get(job.id).cancelling, queue.get(other.id).state) == (False, "pending")
        queue.cancel(job.id)


def test_what_needs_the_database_is_refused(remote: Queue) -> None:
    for use in (
        lambda: remote.transaction(),
        lambda: remote.maintenance,
        lambda: Worker(remote, threads=1).start(),
        lambda: remote.recreate(),
        lambda: remote.enqueue_in(None, "mail.send", {"to": "x"}),
        lambda: remote.enqueue_bulk("mail.send", [{"to": "x"}]),
    ):
        with pytest.raises(
            StoreRefused, match=r"is the HTTP API of a queue, and this needs its database: run it on the server"
        ):
            use()


def test_every_method_of_a_queue_is_made_by_the_server_or_refused() -> None:
    """A method that Queue gains must be called or refused, or work on what others return."""
    from jobdeck.http.client.remote_queue import RemoteQueue

    on_others = {
        "actor",
        "aenqueue",
        "after_fork",
        "cancel",
        "cancel_many",
        "retry",
        "retry_many",
        "reprioritize",
        "reprioritize_many",
        "delete",
        "delete_many",
        "enqueue_in",
        "wait",
    }
    assert public_names(Queue) - vars(RemoteQueue).keys() == on_others


def test_every_method_of_an_object_of_a_queue_is_made_by_the_server(remote: Queue, tmp_path: Path) -> None:
    """As above, for `queue.batches` and the others; these work on what others return, or on what the queue has."""
    on_others = {"Batches": {"wait"}, "KindCatalog": {"find"}, "Schedules": {"explain"}}
    with Queue(tmp_path / "own.db") as own:
        names = [name for name, value in vars(Queue).items() if isinstance(value, cached_property)]
        for name in sorted({*names} - {"actor", "maintenance", "_async_enqueuer"}):
            here, there = type(getattr(own, name)), type(getattr(remote, name))
            assert there.__base__ is here, name
            assert public_names(here) - vars(there).keys() == on_others.get(here.__name__, set()), name


def public_names(owner: type) -> set[str]:
    return {name for name in vars(owner) if not name.startswith("_")}


def test_a_program_opens_a_database_or_an_api_by_the_address(api: Api, tmp_path: Path) -> None:
    with open_queue(tmp_path / "own.db") as own:
        assert (type(own), own.is_remote) == (Queue, False)
    with pytest.raises(StoreRefused, match=r"is the HTTP API of a queue, and no database; open it with `jobdeck\.open_queue`"):
        Queue(api.server.url)


def test_a_queue_that_is_opened_for_reading_changes_nothing(api: Api) -> None:
    with open_remote(api, readonly=True) as queue:
        assert queue.count() == api.queue.count()
        with pytest.raises(StoreRefused, match="is open for reading only"):
            queue.pause("mail")


# -- the connection --------------------------------------------------------------------------------------------------------


class Answering(BaseHTTPRequestHandler):
    """A server that is not jobdeck, or not as it should be."""

    answers: list[tuple[int, dict[str, str], bytes]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[str]:
    handler = type("Handler", (Answering,), {"answers": [*answers]})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


JSON = {"Content-Type": "application/json"}
ABOUT = {
    "protocol": PROTOCOL,
    "version": "0.1.0",
    "now": 0.0,
    "actor": "a",
    "ageing": 0.0,
    "lease": 30.0,
    "max_attempts": 5,
    "timeout": 0.0,
    "max_args_bytes": 9,
}
GOOD = (200, JSON, json.dumps(ABOUT).encode())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            (200, {"Content-Type": "text/html"}, b"<html>"),
            "is no HTTP API of jobdeck that this version knows; check the address.",
        ),
        ((404, {}, b"no"), "is no HTTP API of jobdeck that this version knows; check the address."),
        ((200, JSON, b"{"), "is no HTTP API of jobdeck that this version knows; check the address."),
        (
            (200, JSON, b"[]"),
            "answers what this version of jobdeck does not understand; install the same jobdeck on both sides.",
        ),
        (
            (200, JSON, json.dumps({**ABOUT, "protocol": 99, "version": "7.5"}).encode()),
            (
                f"runs jobdeck 7.5, whose calls have version 99, and this is version {PROTOCOL}; "
                "install the same jobdeck on both sides."
            ),
        ),
        ((308, {"Location": "https://h/api/v1/calls/about"}, b""), "redirects to https://h; use that address."),
        ((401, {}, b""), "answers with the status 401, and is no server of jobdeck; check it."),
    ],
)
def test_a_server_of_another_kind_or_version_is_refused(answer: Any, sentence: str) -> None:
    with answering(answer) as url, pytest.raises(StoreRefused) as caught:
        open_queue(url, settings=Settings())
    assert str(caught.value) == f"{url} {sentence}"


def test_a_server_that_cannot_be_reached_is_named_with_what_to_do() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    for address, problem in (
        (url, "connection refused; check the address, and that `jobdeck serve` runs there"),
        ("http://nosuch.invalid", "no machine of this name is known; check the address"),
    ):
        with pytest.raises(StoreUnreachable) as caught:
            open_queue(address, settings=Settings())
        assert str(caught.value) == f"The database {address} cannot be reached: {problem}."
    with answering((502, {}, b"<html>")) as proxy, pytest.raises(StoreUnreachable, match="a proxy answers with the status 502"):
        open_queue(proxy, settings=Settings())
    with answering((0, {}, b"")) as closing, pytest.raises(StoreUnreachable, match="the connection broke"):
        open_queue(closing, settings=Settings())
    with answering(GOOD) as plain, pytest.raises(StoreUnreachable, match="it does not speak TLS; write http://"):
        open_queue(plain.replace("http:", "https:"), settings=Settings())


def test_a_read_is_sent_again_on_a_new_connection_and_a_change_is_not() -> None:
    with answering(GOOD, (0, {}, b""), (200, JSON, b"7"), (0, {}, b""), (200, JSON, b"true")) as url:
        queue = open_queue(url, settings=Settings())
        assert queue.count() == 7
        with pytest.raises(StoreFailed, match="broke before the answer, so what was asked for may have been done; check that"):
            queue.pause("mail")
        assert queue.pause("mail")
        queue.close()


def test_a_lost_server_is_unreachable_until_it_is_back(tmp_path: Path) -> None:
    with served(tmp_path, protected=False) as api:
        queue = open_queue(api.server.url, settings=Settings())
        assert queue.count() == 0
        port = int(api.server.url.rpartition(":")[2])
    with pytest.raises(StoreUnreachable):
        queue.count()
    from jobdeck import HttpServer, TokenFile

    with (
        Queue(tmp_path / "jobs.db", registry=REGISTRY) as again,
        HttpServer(again, port=port, tokens=TokenFile(tmp_path / "tokens.json")),
    ):
        assert queue.count() == 0
    queue.close()
