"""Measure the HTTP API: enqueues a second, the wait for an answer, a scrape, idle CPU, open event streams.

    python tests/bench/http_api.py
    python tests/bench/http_api.py --only enqueue,scrape --seconds 2
    python tests/bench/http_api.py --db postgresql://…

`jobdeck serve` runs in a process of its own, and this process sends requests over 1, 8 and 64 connections, on each the next one
after the answer to the one before. An endpoint of the same framework that reads the same document and does nothing shows what
the framework and this client can do at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import table
from figures import Row, at_most, percentile
from processes import cpu_seconds, open_queue

from jobdeck import QueueCollector
from jobdeck.model.attempt_result import Completed
from jobdeck.store.claim_capacity import ClaimRequest

PARTS = ("enqueue", "scrape", "idle", "streams")
CONNECTIONS = (1, 8, 64)
SCRAPE, IDLE = 20.0, 0.5
TASKS = Path(__file__).with_name("tasks.py")
DURABILITY = "FULL"

Answer = tuple[int, bytes]


# -- servers --------------------------------------------------------------------------------------


def serve_nothing() -> None:
    """Serve an endpoint that reads a job and does nothing, until the process is killed."""
    import uvicorn
    from fastapi import Body, FastAPI

    app = FastAPI(openapi_url=None)

    @app.post("/api/v1/jobs", status_code=201)
    def nothing(kind: str = Body(), args: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008
        return {"id": 1, "kind": kind, "state": "pending"}

    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    bound.listen(2048)
    print(f"on http://127.0.0.1:{bound.getsockname()[1]}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([bound])


@contextmanager
def server(*command: str) -> Iterator[tuple[int, int]]:
    """Start a server; yield its process id and its port."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
    environ |= {"JOBDECK_SYNCHRONOUS": DURABILITY, "JOBDECK_LOG_LEVEL": "WARNING", "NO_COLOR": "1"}
    process = subprocess.Popen([sys.executable, *command], env=environ, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        port = next(int(found[1]) for line in process.stderr if (found := re.search(r"on http://127\.0\.0\.1:(\d+)", line)))
        yield process.pid, port
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def api(database: str) -> list[str]:
    folder = Path(__file__).parent
    return [
        "-m",
        "jobdeck_tui",
        "serve",
        "--db",
        database,
        "--app",
        str(TASKS),
        "--port",
        "0",
        "--tokens",
        f"{folder}/no-tokens.json",
    ]


# -- the client -----------------------------------------------------------------------------------


def request(method: str, path: str, document: object = None) -> bytes:
    body = b"" if document is None else json.dumps(document).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> Answer:
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length is not None, head
    return int(head[9:12]), await reader.readexactly(int(length[1]))


async def load(port: int, connections: int, seconds: float, sent: bytes) -> list[float]:
    """Send a request over and over on each connection; return how long each took, in milliseconds."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (began := time.perf_counter()) < end:
            status, body = await exchange(reader, writer, sent)
            assert status == 201, body
            took.append(1e3 * (time.perf_counter() - began))

    await asyncio.gather(*(client(*each) for each in opened))
    for _, writer in opened:
        writer.close()
    return took


# -- the parts ------------------------------------------------------------------------------------


def measure_enqueues(database: str, given: argparse.Namespace) -> Iterator[Row]:
    """Measure enqueues over HTTP beside the endpoint that does nothing."""
    sent = request("POST", "/api/v1/jobs", {"kind": "bench.noop", "args": {"n": 1}})
    found: dict[tuple[str, int], list[list[float]]] = {}
    with server(*api(database)) as (_, port), server(__file__, "--serve-nothing") as (_, empty):
        for to in (port, empty):
            asyncio.run(load(to, 8, 0.5, sent))
        for _ in range(given.rounds):
            for connections in CONNECTIONS:
                for name, to in (("nothing", empty), ("enqueue", port)):
                    found.setdefault((name, connections), []).append(asyncio.run(load(to, connections, given.seconds, sent)))
    for connections in CONNECTIONS:
        for name, what in (("enqueue", "enqueues over HTTP"), ("nothing", "an endpoint that does nothing")):
            rounds = found[name, connections]
            rates = [len(each) / given.seconds for each in rounds]
            base = [len(each) / given.seconds for each in found["nothing", connections]]
            every = [each for one in rounds for each in one]
            yield Row(
                what=f"{what}, {connections} connection{'s' * (connections > 1)}",
                unit="/s",
                values=rates,
                ratio=statistics.median(rates) / statistics.median(base) if name == "enqueue" else None,
                durability=DURABILITY if name == "enqueue" else "",
                note=f"p50 {percentile(every, 0.5):.2f} ms, p99 {percentile(every, 0.99):.2f} ms",
            )


def fill(database: str, queues: int) -> None:
    """Give each of many queues finished, pending and delayed jobs."""
    with open_queue(database, "OFF") as queue:
        for delay in (0.0, 0.0, 3600.0):
            names = [f"customer-{n:05d}" for n in range(queues)]
            queue.enqueue_many([queue.new_job("bench.noop", {"n": 1}, queue=name, delay=delay) for name in names])
        wanted = ClaimRequest("bench", queues, kinds=("bench.noop",), queues=(), lease=60.0)
        jobs, now = queue.store.claimer.claim(wanted), queue.clock.now()
        done = [Completed(job, now, now + 0.001 * (n % 3000)) for n, job in enumerate(jobs)]
        queue.store.completer.complete(done)


def measure_scrape(database: str, given: argparse.Namespace) -> Iterator[Row]:
    """Measure a scrape of many queues: in the process of the queue, and over HTTP."""
    fill(database, given.queues)
    took: list[float] = []
    with open_queue(database) as queue:
        collector = QueueCollector(queue)
        for _ in range(given.scrapes):
            began = time.perf_counter()
            text = collector.text()
            took.append(1e3 * (time.perf_counter() - began))
    median = statistics.median(took)
    yield Row(
        what=f"a scrape of {given.queues:,} queues",
        unit="ms",
        values=took,
        target=f"≤ {SCRAPE:g} ms",
        ratio=median / SCRAPE,
        ok=at_most(median, SCRAPE),
        note=f"{text.count(10):,} lines, {len(text) / 1e6:.1f} MB",
    )
    with server(*api(database)) as (_, port):
        took = asyncio.run(_scrape(port, given.scrapes))
    yield Row(what="the same over HTTP", unit="ms", values=took, note=f"p99 {percentile(took, 0.99):.1f} ms")


async def _scrape(port: int, times: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    took = []
    for _ in range(times):
        began = time.perf_counter()
        status, _body = await exchange(reader, writer, request("GET", "/metrics"))
        assert status == 200
        took.append(1e3 * (time.perf_counter() - began))
    writer.close()
    return took


def measure_idle(database: str, given: argparse.Namespace) -> Iterator[Row]:
    """Measure the CPU of a server that nobody asks anything."""
    with server(*api(database)) as (pid, port):
        asyncio.run(_scrape(port, 1))
        yield _cpu("CPU of the idle server", pid, given.idle)


def _cpu(what: str, pid: int, seconds: float, target: float | None = IDLE) -> Row:
    time.sleep(1.0)
    before, since = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    after, took = cpu_seconds(pid), time.monotonic() - since
    if before is None or after is None:
        return Row(what=what, unit="% of a core", values=[])
    used = 100 * (after - before) / took
    if target is None:
        return Row(what=what, unit="% of a core", values=[used])
    return Row(
        what=what, unit="% of a core", values=[used], target=f"≤ {target:g} %", ratio=used / target, ok=at_most(used, target)
    )


def measure_streams(database: str, given: argparse.Namespace) -> Iterator[Row]:
    """Measure open event streams: their CPU while nothing happens, and how soon each tells of a new job."""
    with server(*api(database)) as (pid, port), open_queue(database) as queue:
        held: list[socket.socket] = []
        for _ in range(given.streams):
            stream = socket.create_connection(("127.0.0.1", port))
            stream.sendall(request("GET", "/api/v1/events"))
            held.append(stream)
        for stream in held:
            assert stream.recv(12).endswith(b"200"), "a stream was refused"
        yield _cpu(f"CPU with {given.streams} open event streams", pid, given.idle, None)
        for stream in held:
            stream.setblocking(False)
        took = asyncio.run(_events(held, lambda: asyncio.to_thread(queue.enqueue, "bench.noop", {"n": 1})))
        for stream in held:
            stream.close()
    yield Row(
        what=f"an enqueue until all {given.streams} streams tell of it",
        unit="ms",
        values=[max(took)],
        note=f"p50 {percentile(took, 0.5):.1f} ms; the server looks ten times a second",
    )


async def _events(streams: list[socket.socket], enqueue: Callable[[], Awaitable[object]]) -> list[float]:
    loop = asyncio.get_running_loop()

    async def until_told(stream: socket.socket) -> float:
        text = b""
        while b"event: enqueued" not in text:
            more = await loop.sock_recv(stream, 65536)
            assert more, "the stream has ended"
            text += more
        return time.perf_counter()

    waiting = [asyncio.create_task(until_told(stream)) for stream in streams]
    await asyncio.sleep(0.5)
    began = time.perf_counter()
    await enqueue()
    return [1e3 * (at - began) for at in await asyncio.wait_for(asyncio.gather(*waiting), 30)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART[,PART]", help=", ".join(PARTS))
    parser.add_argument("--db", metavar="URL", help="an empty database (default: a file in a temporary folder)")
    parser.add_argument("--folder", default=None, metavar="DIR", help="where the temporary folder is made")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="of each number of connections in a round")
    parser.add_argument("--queues", type=int, default=1000, metavar="N", help="queues of the scrape")
    parser.add_argument("--scrapes", type=int, default=30, metavar="N")
    parser.add_argument("--idle", type=float, default=10.0, metavar="S", help="seconds of each measurement of CPU")
    parser.add_argument("--streams", type=int, default=500, metavar="N")
    parser.add_argument("--serve-nothing", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_nothing:
        serve_nothing()
        return 0
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # this process and the servers hold the streams
    rows: list[Row] = []
    measures = {"enqueue": measure_enqueues, "scrape": measure_scrape, "idle": measure_idle, "streams": measure_streams}
    with tempfile.TemporaryDirectory(prefix="jobdeck-bench-", dir=given.folder) as folder:
        print(f"In {folder}, load of the machine {os.getloadavg()[0]:.1f}")
        for part in given.only.split(","):
            rows += measures[part](given.db or f"{folder}/{part}.db", given)
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
