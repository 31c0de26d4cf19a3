"""Measure the queue on a PostgreSQL server, which this starts: drain, enqueue, bulk and wake-up.

    python tests/bench/server.py                        everything, three rounds
    python tests/bench/server.py --only drain --jobs 20000 --rounds 1
    python tests/bench/server.py --only vacuum --seconds 3600 --finished 10000000 --picture vacuum.svg

The server writes every commit to disk (`fsync=on`, `synchronous_commit=on`). All figures of a table are of one run, the rounds
interleaved. `transactions` are those that the server counted for each thousand jobs. If PGQueuer or Procrastinate is installed,
it runs beside jobdeck in each round (`--peers ''`: neither); the ratio is to the best of its shapes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import psycopg
from processes import STARTING, Start, open_queue, run
from server_peers import PEERS, Peer, version
from server_vacuum import vacuum

from jobdeck import Queue, Worker

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.core.postgres import Server

SHAPES = ((1, 1), (1, 4), (2, 2), (4, 4), (8, 2))
"""Numbers of processes, and of threads in each."""
_BULK = 5_000
_SLOW_PEERS = {"procrastinate": 10}
"""The part of the jobs that a peer gets whose rate would make the run too long."""
PATIENCE = 300.0
"""Seconds that a process waits for the queue to be empty."""


def _stock(address: str, jobs: int) -> None:
    with open_queue(address) as queue:
        for first in range(0, jobs, _BULK):
            queue.enqueue_bulk("bench.noop", [{"n": n} for n in range(first, min(jobs, first + _BULK))])


def _drain(start: Start, address: str, threads: int) -> tuple[float, float, int]:
    """Run a worker until the queue is empty; return when it started and ended, and the jobs that it ran."""
    with open_queue(address) as queue:
        queue.count("")
        start()
        started = time.monotonic()
        with Worker(queue, threads=threads) as worker:
            assert worker.wait_idle(PATIENCE), "the queue is not empty"
            ended = time.monotonic()
        return started, ended, queue.count(f'state:completed worker:"{worker.id}"')


def _enqueue(start: Start, address: str, seconds: float) -> int:
    with open_queue(address) as queue:
        queue.enqueue("bench.noop", {"n": 0})
        start()
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            queue.enqueue("bench.noop", {"n": n})
            n += 1
    return n


def _transactions(address: str) -> int:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _fresh(server: Server, name: str) -> str:
    """Return the address of a new database: with an empty queue of jobdeck, or for another one's tables."""
    if name == "jobdeck":
        return server.url(server.new_database())
    _fresh.n += 1  # type: ignore[attr-defined]
    server.run(f"CREATE DATABASE peer_{_fresh.n}")  # type: ignore[attr-defined]
    return server.url(f"peer_{_fresh.n}")  # type: ignore[attr-defined]


_fresh.n = 0  # type: ignore[attr-defined]
_JOBDECK = Peer(_stock, _drain, _enqueue)


def _check_empty(name: str, address: str, jobs: int) -> None:
    if name == "jobdeck":
        with open_queue(address) as queue:
            assert queue.count("state:completed") == jobs


def drain(server: Server, jobs: int, rounds: int, peers: Sequence[str]) -> None:
    """Print the jobs per second of each shape."""
    print(
        f"drain of {jobs:,} no-op jobs\n"
        f"{'':>14}{'processes × threads':>20} {'jobs/s':>8} {'least share':>12} {'transactions/1,000':>19}"
    )
    rates: dict[tuple[str, int, int], list[float]] = {}
    for _ in range(rounds):
        for processes, threads in SHAPES:
            for name in ("jobdeck", *peers):
                peer = PEERS.get(name, _JOBDECK)
                address = _fresh(server, name)
                stocked = jobs // _SLOW_PEERS.get(name, 1)
                peer.fill(address, stocked)
                _settle(address)
                before = _transactions(address)
                found = run(PATIENCE, *[(peer.drain, address, threads)] * processes)
                took = max(ended for _, ended, _ in found) - min(started for started, _, _ in found)
                _check_empty(name, address, jobs)
                rates.setdefault((name, processes, threads), []).append(stocked / took)
                share = min(n for *_, n in found) * processes / stocked
                spent = 1e3 * (_transactions(address) - before) / stocked
                print(
                    f"{name:<14}{f'{processes} × {threads}':>20} {stocked / took:>8,.0f} {share:>12.2f} {spent:>19.0f}",
                    flush=True,
                )
    medians = {shape: median(each) for shape, each in rates.items()}
    for name in ("jobdeck", *peers):
        shown = ", ".join(f"{p} × {t}: {rate:,.0f}" for (who, p, t), rate in medians.items() if who == name)
        print(f"medians of {name}: {shown}")
        if name != "jobdeck":
            best = max(rate for (who, _, _), rate in medians.items() if who == name)
            ratios = ", ".join(f"{p} × {t}: {rate / best:.2f}" for (who, p, t), rate in medians.items() if who == "jobdeck")
            print(f"jobdeck to {name}'s best: {ratios}")


def _settle(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def enqueue(server: Server, seconds: float, rounds: int, peers: Sequence[str]) -> None:
    """Print the single enqueues per second of one process and of four, and those of a bulk."""
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for processes in (1, 4):
            for name in ("jobdeck", *peers):
                peer = PEERS.get(name, _JOBDECK)
                address = _fresh(server, name)
                if name != "jobdeck":
                    peer.fill(address, 1)
                found = sum(run(seconds, *[(peer.enqueue, address, seconds)] * processes))
                rates.setdefault((name, processes), []).append(found / seconds)
    for (name, processes), each in rates.items():
        print(f"{name}: enqueue, {processes} process{'es' if processes > 1 else ''}: {median(each):,.0f}/s", flush=True)
    bulk = []
    for _ in range(rounds):
        with open_queue(server.url(server.new_database())) as queue:
            args = [{"n": n} for n in range(20_000)]
            began = time.monotonic()
            queue.enqueue_bulk("bench.noop", args)
            bulk.append(len(args) / (time.monotonic() - began))
    print(f"jobdeck: bulk enqueue: {median(bulk):,.0f}/s", flush=True)


def wake_up(server: Server, times: int) -> None:
    """Print the time from an enqueue to the start of the job in another process."""
    address = server.url(server.new_database())
    with open_queue(address) as queue:
        found = run(STARTING, (_wait, address, times), (_ring, address, times))
        waits = sorted(_starts(queue))
    del found
    print(f"wake-up: p50 {1e3 * waits[len(waits) // 2]:.1f} ms, p99 {1e3 * waits[int(len(waits) * 0.99)]:.1f} ms", flush=True)


def _starts(queue: Queue) -> Sequence[float]:
    jobs = [queue.get(job_id) for job_id in queue.ids("state:completed")]
    return [job.started_at - job.created_at for job in jobs if job.started_at is not None]


def _wait(start: Start, address: str, times: int) -> None:
    with open_queue(address) as queue, Worker(queue, threads=2):
        start()
        end = time.monotonic() + STARTING
        while queue.count("state:completed") < times and time.monotonic() < end:
            time.sleep(0.2)


def _ring(start: Start, address: str, times: int) -> None:
    with open_queue(address) as queue:
        start()
        time.sleep(0.5)
        for n in range(times):
            queue.enqueue("bench.noop", {"n": n})
            time.sleep(0.02)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="drain,enqueue,wakeup", metavar="PART[,PART]")
    parser.add_argument("--jobs", type=int, default=20_000, metavar="N", help="jobs of each drain (default 20,000)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="of each enqueue, and of vacuum (default 5)")
    parser.add_argument("--finished", type=int, default=1_000_000, metavar="N", help="finished jobs beside (vacuum)")
    parser.add_argument("--rate", type=float, default=1_000.0, metavar="N", help="new jobs a second (vacuum)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the curves of vacuum as SVG")
    parser.add_argument("--peers", default=",".join(PEERS), metavar="NAME[,NAME]", help="run beside jobdeck, if installed")
    given = parser.parse_args()
    peers = [name for name in given.peers.split(",") if name and version(name)]
    server = Server(durable=True)
    with psycopg.connect(server.url("postgres")) as connection:
        running, commit = connection.execute(
            "SELECT current_setting('server_version'), current_setting('synchronous_commit')"
        ).fetchone() or ("", "")
    print(f"PostgreSQL {running}, fsync=on, synchronous_commit={commit}, in {server.folder}")
    print("peers: " + (", ".join(f"{name} {version(name)}" for name in peers) or "none"))
    parts = given.only.split(",")
    if "drain" in parts:
        drain(server, given.jobs, given.rounds, peers)
    if "enqueue" in parts:
        enqueue(server, given.seconds, given.rounds, peers)
    if "wakeup" in parts:
        wake_up(server, 200)
    if "vacuum" in parts:
        vacuum(server.url(server.new_database()), given.finished, given.rate, given.seconds, given.picture)
    return 0


if __name__ == "__main__":
    # Children import this module by its name.
    from server import main as named_main

    sys.exit(named_main())
